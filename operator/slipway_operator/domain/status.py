"""The status of the custom resources, and the Event that tells of a change in it."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ValidationError

from slipway_crds.base import CustomResource
from slipway_crds.conditions import Condition, ConditionType, Reason, condition, set_condition
from slipway_crds.model_deployment import ModelDeploymentStatus
from slipway_crds.names import GROUP, MANAGED_BY, child_name, selector_labels
from slipway_operator.domain.autoscaling import autoscaling_state
from slipway_operator.domain.external import is_external
from slipway_operator.domain.observed import Observed
from slipway_operator.domain.readiness import Readiness
from slipway_operator.domain.resources import DEPLOYMENT, EVENT, Manifest
from slipway_operator.domain.rollout import BESIDE, Strategy, strategy_of

OTHERS_FIELDS: Final = frozenset({"demand"})
"""Fields of a status that somebody else writes."""
_QUIET: Final = frozenset({Reason.PENDING, Reason.STARTING})
"""Steps on the way that are worth a condition but not an Event."""
_CALM: Final = frozenset({Reason.SUSPENDED, Reason.SCALED_TO_ZERO, Reason.NOT_IMPLEMENTED, Reason.EXPIRED})
"""Reasons of a False condition that somebody asked for."""


def model_status(observed: Observed, state: Readiness, now: datetime) -> dict[str, Any]:
    """The status of a ModelDeployment."""
    model = observed.model
    scaling = autoscaling_state(observed)
    new = [
        (ConditionType.READY, state.ready, state.reason, state.message),
        (ConditionType.PROGRESSING, state.progressing, *_progress(state, strategy_of(observed))),
        (ConditionType.AUTOSCALING_READY, scaling.ready, scaling.reason, scaling.message),
    ]
    conditions: Sequence[Condition] = model.status.conditions or ()
    for kind, holds, reason, message in new:
        generation = model.metadata.generation
        conditions = set_condition(
            conditions,
            condition(kind, status=holds, reason=reason, message=message, generation=generation, now=now),
        )
    common: Any = {"observed_generation": model.metadata.generation, "conditions": tuple(conditions)}
    if is_external(model):
        return ModelDeploymentStatus(url=model.spec.model.source, **common).to_dict()
    return ModelDeploymentStatus(
        replicas=state.replicas,
        ready_replicas=state.ready_replicas,
        ready=f"{state.ready_replicas}/{state.wanted}",
        selector=",".join(f"{key}={value}" for key, value in sorted(selector_labels(model.metadata.name).items())),
        url=f"http://{child_name(model.metadata.name)}.{model.metadata.namespace}.svc/v1",
        image=_image(observed),
        device=state.device,
        asleep_since=observed.activation.asleep_since,
        cold_start=observed.cold_start,
        **common,
    ).to_dict()


def invalid_status(body: Mapping[str, Any], error: ValidationError, now: datetime) -> dict[str, Any]:
    """The status of a ModelDeployment that this operator cannot read, for example one of a newer version."""
    generation = body["metadata"].get("generation", 0)
    places = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    ready = condition(
        ConditionType.READY,
        status=False,
        reason=Reason.INVALID_CONFIGURATION,
        message="; ".join(places)[:1024],
        generation=generation,
        now=_previous_transition(body, now),
    )
    return ModelDeploymentStatus(observed_generation=generation, conditions=(ready,)).to_dict()


def differs(new: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether writing ``new`` would change the status ``live``."""
    return dict(new) != {name: value for name, value in live.items() if name not in OTHERS_FIELDS}


def is_detail(new: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether two statuses differ only in words and in pods that do not serve, such as on the way to a first answer."""
    return bool(live) and _essence(new) == _essence(live)


def transition_event(
    owner: CustomResource, kind: ConditionType, old: Sequence[Condition], new: Sequence[Condition], now: datetime
) -> Manifest | None:
    """The Event of a condition that changed its status or reason; None when it did not, or only took a step."""
    before, after = _find(old, kind), _find(new, kind)
    if after is None or after.reason in _QUIET:
        return None
    if before is not None and (before.status, before.reason) == (after.status, after.reason):
        return None
    calm = after.status == "True" or after.reason in _CALM
    return _event(owner, "Normal" if calm else "Warning", after, before, now)


def _event(
    owner: CustomResource, kind: Literal["Normal", "Warning"], after: Condition, before: Condition | None, now: datetime
) -> Manifest:
    # The same transition gives the same name, so that a repeated pass does not tell of it twice.
    came_from = (before.last_transition_time.isoformat(), before.reason) if before else ()
    identity = (owner.metadata.uid, owner.metadata.generation, came_from, after.status, after.reason)
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{child_name(owner.metadata.name)}.{digest}", "namespace": owner.metadata.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": kind,
        "reason": after.reason,
        "note": after.message[:1024],
        "action": after.type,
        "reportingController": f"{GROUP}/{MANAGED_BY}",
        "reportingInstance": MANAGED_BY,
        "regarding": {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.metadata.name,
            "namespace": owner.metadata.namespace,
            "uid": owner.metadata.uid,
        },
    }


def _progress(state: Readiness, strategy: Strategy) -> tuple[Reason, str]:
    if not state.progressing:
        return Reason.UP_TO_DATE, "the cluster is as the spec asks"
    if strategy is not BESIDE and state.wanted > 0:
        message = "no node has GPUs for a new replica beside the old ones: an old one goes before its successor comes"
        return Reason.REPLACING_IN_PLACE, f"{state.message}; {message}"
    if state.ready:
        return Reason.ROLLING_OUT, state.message
    return state.reason, state.message


def _image(observed: Observed) -> str | None:
    child = observed.child(DEPLOYMENT)
    if child is None:
        return None
    containers = child.live_fields()["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["image"])


def _previous_transition(body: Mapping[str, Any], now: datetime) -> datetime:
    for item in (body.get("status") or {}).get("conditions") or ():
        if item.get("type") == ConditionType.READY and item.get("status") == "False":
            return datetime.fromisoformat(item["lastTransitionTime"])
    return now


def _essence(status: Mapping[str, Any]) -> object:
    details = ("conditions", "replicas", "device", "coldStart", *OTHERS_FIELDS)
    conditions = [(item["type"], item["status"], item["reason"]) for item in status.get("conditions") or ()]
    phase = (status.get("coldStart") or {}).get("phase")
    return conditions, phase, {name: value for name, value in status.items() if name not in details}


def _find(conditions: Sequence[Condition], kind: ConditionType) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)
