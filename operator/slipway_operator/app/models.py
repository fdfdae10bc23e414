"""One reconcile pass over a ModelDeployment: observe, plan, execute, report."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway_crds.conditions import Condition, ConditionType, Reason
from slipway_crds.model_deployment import ModelDeployment, ModelDeploymentStatus
from slipway_operator.app.children import ECHO_SECONDS, ChildWriter
from slipway_operator.app.expectations import Expectations
from slipway_operator.app.ports import Cluster, World
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.observed import Observed, StoredObject
from slipway_operator.domain.plan import PlanSettings, plan
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.readiness import readiness
from slipway_operator.domain.resources import MODEL_DEPLOYMENT, Ref
from slipway_operator.domain.status import differs, invalid_status, model_status, transition_event

_log: Final = logging.getLogger(__name__)
_FIRST_REPORT_SECONDS: Final = 0.5


class ModelReconciler:
    """Makes the cluster what ModelDeployments ask for, and their status what the cluster is."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        settings: PlanSettings,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._settings = settings
        self._now = now
        self._children = ChildWriter(cluster, clock)
        self._reported: Expectations[Mapping[str, Any]] = Expectations(clock, ECHO_SECONDS)

    async def reconcile(self, key: Ref) -> float | None:
        """One pass. Gives the seconds until the next one is wanted, None for when something changes.

        Raises:
            ClusterError: a write failed; the status tells of it, and the pass is to be repeated.
        """
        stored = self._world.object(key)
        if stored is None:
            self._children.forget(key)
            self._reported.forget(key)
            return None
        self._reported.observe(key, {key: stored.resource_version})
        status = self._reported.pending(key, key) or stored.status
        try:
            model = ModelDeployment.model_validate({**stored.body, "status": status})
        except ValidationError as error:
            await self._write_status(key, stored, status, invalid_status(stored.body, error, self._now()))
            return None
        observed = Observed(model, tuple(self._world.children(key)), tuple(self._world.pods(key)))
        todo = plan(observed, self._settings)
        outcome = await self._children.execute(key, observed, todo)
        if todo.creates and not outcome.errors and model.status.observed_generation is None:
            # The cluster's answer to the new children is the first thing worth reporting.
            return _FIRST_REPORT_SECONDS
        await self._report(key, stored, observed, _problem(outcome.errors) or todo.problem)
        if outcome.errors:
            raise outcome.errors[0]
        return ECHO_SECONDS if outcome.awaited else None

    async def _report(self, key: Ref, stored: StoredObject, observed: Observed, problem: Diagnosis | None) -> None:
        model = observed.model
        status = model_status(observed, readiness(observed, problem), self._now())
        live = self._reported.pending(key, key) or stored.status
        if not await self._write_status(key, stored, live, status):
            return
        old: Sequence[Condition] = model.status.conditions or ()
        new: Sequence[Condition] = ModelDeploymentStatus.model_validate(status).conditions or ()
        event = transition_event(model, ConditionType.READY, old, new, self._now())
        if event is not None:
            await post_quietly(self._cluster, event)

    async def _write_status(
        self, key: Ref, stored: StoredObject, live: Mapping[str, Any], status: dict[str, Any]
    ) -> bool:
        if not differs(status, live):
            return False
        metadata = stored.body["metadata"]
        await self._cluster.apply_status(Ref(MODEL_DEPLOYMENT, metadata["namespace"], metadata["name"]), status)
        self._reported.wrote(key, key, stored.resource_version, status)
        return True


async def post_quietly(cluster: Cluster, event: dict[str, Any]) -> None:
    """Post an Event; a failure costs the Event only."""
    try:
        await cluster.post_event(event)
    except ClusterError as error:
        _log.warning("cannot post the Event %s: %s", event["reason"], error)


def _problem(errors: Sequence[Exception]) -> Diagnosis | None:
    return Diagnosis(Reason.RECONCILE_FAILED, str(errors[0])[:1024]) if errors else None
