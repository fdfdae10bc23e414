"""Reporting: the status of custom resources is written when it differs, and an Event tells of a transition."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from slipway_crds.base import CustomResource
from slipway_crds.conditions import Condition, ConditionType
from slipway_operator.app.expectations import Expectations
from slipway_operator.app.ports import Cluster
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.observed import StoredObject
from slipway_operator.domain.resources import Ref
from slipway_operator.domain.status import differs, is_detail, transition_event

_log: Final = logging.getLogger(__name__)
_ECHO_SECONDS: Final = 2.0
_DETAIL_SECONDS: Final = 3.0
"""How long a change that only details show may wait for one that matters, to be written with it."""


class StatusWriter:
    """Writes each status once."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._now = now
        self._written: Expectations[Mapping[str, Any]] = Expectations(clock, _ECHO_SECONDS)
        self._details_due: dict[Ref, float] = {}
        self._not_before: dict[Ref, float] = {}

    def live(self, key: Ref, stored: StoredObject) -> Mapping[str, Any]:
        """The status as it is, even where the watches do not show it yet."""
        self._written.observe(key, {key: stored.resource_version})
        return self._written.pending(key, key) or stored.status

    async def write(
        self, key: Ref, stored: StoredObject, status: dict[str, Any], owner: CustomResource | None = None
    ) -> float | None:
        """Make ``status`` the object's; with ``owner``, tell of a changed Ready condition by an Event.

        Gives the seconds after which to come again when the write was put off.

        Raises:
            ClusterError: the API server refused.
        """
        live = self.live(key, stored)
        if not differs(status, live):
            self._details_due.pop(key, None)
            return None
        wait = self._not_before.get(key, 0.0) - self._clock()
        if wait > 0:
            return wait
        if is_detail(status, live):
            wait = self._details_due.setdefault(key, self._clock() + _DETAIL_SECONDS) - self._clock()
            if wait > 0:
                return wait
        self._details_due.pop(key, None)
        self._not_before.pop(key, None)
        metadata = stored.body["metadata"]
        await self._cluster.apply_status(Ref(key.resource, metadata["namespace"], metadata["name"]), status)
        self._written.wrote(key, key, stored.resource_version, status)
        if owner is not None:
            await self._tell(owner, live, status)
        return None

    def put_off(self, key: Ref, seconds: float) -> None:
        """Write nothing for so long: what is about to happen comes first, and is worth telling with it."""
        self._not_before[key] = self._clock() + seconds

    def forget(self, key: Ref) -> None:
        """The object is gone."""
        self._not_before.pop(key, None)
        self._written.forget(key)
        self._details_due.pop(key, None)

    async def _tell(self, owner: CustomResource, live: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        old, new = _conditions(live), _conditions(status)
        event = transition_event(owner, ConditionType.READY, old, new, self._now())
        if event is None:
            return
        try:
            await self._cluster.post_event(event)
        except ClusterError as error:
            _log.warning("cannot post the Event %s: %s", event["reason"], error)


def _conditions(status: Mapping[str, Any]) -> list[Condition]:
    return [Condition.model_validate(item) for item in status.get("conditions") or ()]
