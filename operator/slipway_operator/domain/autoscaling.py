"""Whether the autoscaler that a spec asks for is set up, and whether it can work."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.activation import may_sleep
from slipway_operator.domain.builders.common import fewest_replicas
from slipway_operator.domain.builders.hpa import POD_METRICS, RESOURCE_METRICS, supported_metrics
from slipway_operator.domain.metrics_api.state import RegistrationState
from slipway_operator.domain.observed import Observed
from slipway_operator.domain.pods import Diagnosis
from slipway_operator.domain.resources import HPA, SCALED_OBJECT

_FAILURES: Final = ("AbleToScale", "ScalingActive")
"""Conditions of an HPA that say that it cannot work when they are False."""


@dataclass(frozen=True)
class AutoscalingState:
    """What the condition AutoscalingReady tells."""

    ready: bool
    reason: Reason
    message: str


def autoscaling_state(observed: Observed) -> AutoscalingState:
    """What to tell the user about autoscaling."""
    model = observed.scheduled
    scaling = model.spec.autoscaling
    if scaling is None:
        return AutoscalingState(False, Reason.AUTOSCALING_DISABLED, "spec.autoscaling is not set")
    problem = _without_keda(observed) or _left_out(observed) or _cannot_be_measured(observed)
    # An HPA is idle, and says so, while its Deployment has no replicas.
    if problem is None and observed.activation.awake:
        problem = _told_by_autoscaler(observed)
    if problem is not None:
        return AutoscalingState(False, problem.reason, problem.message)
    fewest = 0 if may_sleep(model) and not observed.activation.min_replicas else fewest_replicas(model)
    message = f"{fewest} to {scaling.max_replicas} replicas"
    return AutoscalingState(True, Reason.AUTOSCALING_CONFIGURED, message)


def _told_by_autoscaler(observed: Observed) -> Diagnosis | None:
    hpa, scaled = observed.child(HPA), observed.child(SCALED_OBJECT)
    if hpa is not None:
        return _unreachable(observed, hpa.status) or _failing(hpa.status)
    return _failing_in_keda(scaled.status) if scaled is not None else None


def follows_pods(model: ModelDeployment) -> bool:
    """Whether the spec names metrics that the metrics API tells."""
    return any(True for _ in _pod_metrics(model))


def _pod_metrics(model: ModelDeployment) -> Iterator[str]:
    """Names in the metrics API of what the spec names."""
    scaling = model.spec.autoscaling
    metrics = (scaling.metrics if scaling else None) or ()
    return (POD_METRICS[metric.type] for metric in metrics if metric.type in POD_METRICS)


def _without_keda(observed: Observed) -> Diagnosis | None:
    if observed.keda is None or observed.keda.served:
        return None
    message = (
        "KEDA is not installed: the API server knows no ScaledObjects of keda.sh/v1alpha1; until it does, the model "
        "scales on cpu and memory only. Install KEDA, or set the chart's metrics.mode to builtin"
    )
    return Diagnosis(Reason.KEDA_UNAVAILABLE, message)


def _left_out(observed: Observed) -> Diagnosis | None:
    """Parts of the spec that the HPA does not have."""
    model = observed.model
    scaling = model.spec.autoscaling
    ignored = {m.type for m in (scaling.metrics if scaling else None) or ()}
    ignored -= {m.type for m in supported_metrics(model, observed.has_pod_metrics)}
    if ignored:
        words = f"left out: {', '.join(sorted(ignored))}; this installation has no metrics API"
        message = f"{words}: use {' or '.join(RESOURCE_METRICS)}, or set the chart's metrics.mode to builtin"
        return Diagnosis(Reason.METRIC_NOT_SUPPORTED, message)
    return None


def _cannot_be_measured(observed: Observed) -> Diagnosis | None:
    resources = observed.model.spec.resources
    known = {*((resources and resources.requests) or {}), *((resources and resources.limits) or {})}
    metrics = supported_metrics(observed.model, observed.has_pod_metrics)
    missing = [m.type for m in metrics if m.type in RESOURCE_METRICS and m.type not in known]
    if not missing:
        return None
    message = f"utilisation of {missing[0]} is measured against the request: set resources.requests.{missing[0]}"
    return Diagnosis(Reason.INVALID_CONFIGURATION, message)


def _unreachable(observed: Observed, hpa: Mapping[str, Any]) -> Diagnosis | None:
    """Why the HPA does not get the metrics of pods, unless it does: somebody else may serve them under our names."""
    state: RegistrationState | None = observed.metrics_api
    if state is None or state.problem is None or not follows_pods(observed.model):
        return None
    current = (item.get("pods") for item in hpa.get("currentMetrics") or ())
    told = {item["metric"]["name"] for item in current if item}
    if told >= set(_pod_metrics(observed.model)) and _failing(hpa) is None:
        return None
    return Diagnosis(Reason.METRICS_API_UNAVAILABLE, state.problem[:1024])


def _failing(hpa: Mapping[str, Any]) -> Diagnosis | None:
    """What the HPA itself says of what keeps it from working."""
    conditions = {item["type"]: item for item in hpa.get("conditions") or ()}
    found = next((conditions[kind] for kind in _FAILURES if conditions.get(kind, {}).get("status") == "False"), None)
    if found is None:
        return None
    message = f"{found.get('reason', '')}: {found.get('message', '')}"
    return Diagnosis(Reason.AUTOSCALING_FAILED, message[:1024])


def _failing_in_keda(status: Mapping[str, Any]) -> Diagnosis | None:
    """What KEDA says of a ScaledObject that it cannot use, or of triggers that get no answer.

    Ready is Unknown without a reason until KEDA has looked at it, and with one when some triggers fail.
    """
    found = (item for item in status.get("conditions") or () if item["type"] == "Ready")
    ready: Mapping[str, Any] = next(found, {})
    reason = ready.get("reason", "")
    if ready.get("status") == "False" or (ready.get("status") == "Unknown" and reason):
        return Diagnosis(Reason.AUTOSCALING_FAILED, f"KEDA: {reason}: {ready.get('message', '')}"[:1024])
    return None
