"""The HorizontalPodAutoscaler of a model, for the metrics that the cluster itself provides."""

from dataclasses import dataclass
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import child_name
from slipway_crds.serving_spec import AutoscalingMetric
from slipway_operator.domain.builders.common import fewest_replicas, manifest
from slipway_operator.domain.resources import DEPLOYMENT, HPA, Manifest

_RESOURCE_METRICS: Final = ("cpu", "memory")
_DEFAULT_METRICS: Final = (AutoscalingMetric(type="cpu", target=80),)


@dataclass(frozen=True)
class AutoscalingState:
    """Whether the autoscaler that the spec asks for could be set up."""

    ready: bool
    reason: Reason
    message: str


def supported_metrics(model: ModelDeployment) -> tuple[AutoscalingMetric, ...]:
    """The metrics of the spec that an HPA can follow here, or the default when it names none."""
    scaling = model.spec.autoscaling
    if scaling is None:
        return ()
    return tuple(m for m in scaling.metrics or _DEFAULT_METRICS if m.type in _RESOURCE_METRICS)


def horizontal_pod_autoscaler(model: ModelDeployment) -> Manifest | None:
    """None without autoscaling, while suspended, and when none of the metrics can be followed."""
    scaling, metrics = model.spec.autoscaling, supported_metrics(model)
    if scaling is None or model.spec.lifecycle.suspend or not metrics:
        return None
    spec: dict[str, Any] = {
        "scaleTargetRef": {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.kind,
            "name": child_name(model.metadata.name),
        },
        "minReplicas": fewest_replicas(model),
        "maxReplicas": scaling.max_replicas,
        "metrics": [_metric(metric) for metric in metrics],
    }
    if scaling.behavior:
        spec["behavior"] = scaling.behavior
    return manifest(model, HPA, spec=spec)


def autoscaling_state(model: ModelDeployment) -> AutoscalingState:
    """What to tell the user about autoscaling."""
    scaling = model.spec.autoscaling
    if scaling is None:
        return AutoscalingState(False, Reason.AUTOSCALING_DISABLED, "spec.autoscaling is not set")
    ignored = sorted({m.type for m in scaling.metrics or ()} - set(_RESOURCE_METRICS))
    if ignored:
        message = f"metrics not supported yet: {', '.join(ignored)}; use cpu or memory"
        return AutoscalingState(False, Reason.METRIC_NOT_SUPPORTED, message)
    if scaling.scale_to_zero is not None:
        message = f"scaleToZero is not supported yet; at least {fewest_replicas(model)} replica keeps running"
        return AutoscalingState(False, Reason.NOT_IMPLEMENTED, message)
    requests = (model.spec.resources.requests if model.spec.resources else None) or {}
    limits = (model.spec.resources.limits if model.spec.resources else None) or {}
    missing = [m.type for m in supported_metrics(model) if m.type not in requests and m.type not in limits]
    if missing:
        message = f"utilisation of {missing[0]} is measured against the request: set resources.requests.{missing[0]}"
        return AutoscalingState(False, Reason.INVALID_CONFIGURATION, message)
    message = f"{fewest_replicas(model)} to {scaling.max_replicas} replicas"
    return AutoscalingState(True, Reason.AUTOSCALING_CONFIGURED, message)


def _metric(metric: AutoscalingMetric) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": metric.target}
    return {"type": "Resource", "resource": {"name": metric.type, "target": target}}
