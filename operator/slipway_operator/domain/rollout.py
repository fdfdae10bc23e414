"""How a Deployment replaces its pods: beside the old ones, or in their place where GPUs do not suffice for both."""

from collections.abc import Mapping
from typing import Any, Final

from slipway_operator.domain.builders.common import most_replicas
from slipway_operator.domain.drift import holds
from slipway_operator.domain.images import gpu_count
from slipway_operator.domain.observed import Observed
from slipway_operator.domain.resources import DEPLOYMENT, Manifest

Strategy = Mapping[str, Any]
"""``spec.strategy`` of a Deployment (``apps/v1``)."""

BESIDE: Final[Strategy] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
"""A new replica serves before an old one goes, so that a rollout never takes capacity away."""
IN_PLACE: Final[Strategy] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
"""One replica after the other makes room for its successor."""
AT_ONCE: Final[Strategy] = {"type": "Recreate"}
"""The only replica goes before its successor is made."""


def needs_room(observed: Observed, desired: Manifest) -> bool:
    """Whether applying the Deployment ``desired`` replaces pods with GPUs."""
    child = observed.child(DEPLOYMENT)
    if child is None or gpu_count(observed.model) == 0 or not child.status.get("replicas"):
        return False
    return not holds(desired["spec"]["template"], child.live_fields()["spec"]["template"])


def strategy_of(observed: Observed) -> Strategy:
    """How pods are replaced.

    What was decided for one rollout stays until the next: its own pods change how many GPUs are free.
    """
    if gpu_count(observed.model) == 0:
        return BESIDE
    if observed.room is not None:
        return BESIDE if observed.room else AT_ONCE if most_replicas(observed.model) == 1 else IN_PLACE
    child = observed.child(DEPLOYMENT)
    live = child.live_fields()["spec"].get("strategy") if child is not None else None
    return next((known for known in (IN_PLACE, AT_ONCE) if live and holds(known, live)), BESIDE)
