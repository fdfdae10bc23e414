"""The status of a ModelRoute: routers do not follow routes yet, and the object says so."""

from datetime import datetime
from typing import Any

from slipway_crds.conditions import ConditionType, Reason, condition, set_condition
from slipway_crds.model_route import ModelRoute, ModelRouteStatus


def route_status(route: ModelRoute, now: datetime) -> dict[str, Any]:
    """Accepted=False, reason NotImplemented."""
    accepted = condition(
        ConditionType.ACCEPTED,
        status=False,
        reason=Reason.NOT_IMPLEMENTED,
        message="routers do not follow routes yet; call the models by their own names",
        generation=route.metadata.generation,
        now=now,
    )
    return ModelRouteStatus(
        observed_generation=route.metadata.generation,
        conditions=set_condition(route.status.conditions or (), accepted),
    ).to_dict()
