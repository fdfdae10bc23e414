"""The HorizontalPodAutoscaler of a model, by what the cluster measures and by what the metrics API tells of pods."""

from decimal import Decimal
from typing import Any, Final

from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import child_name
from slipway_crds.serving_spec import Autoscaling, AutoscalingMetric
from slipway_operator.domain.builders.common import fewest_replicas, manifest
from slipway_operator.domain.metrics_api.table import BY_TYPE
from slipway_operator.domain.resources import DEPLOYMENT, HPA, Manifest

RESOURCE_METRICS: Final = ("cpu", "memory")
POD_METRICS: Final = {kind: metric.name for kind, metric in BY_TYPE.items()}
"""Names in the metrics API by the types of the spec."""
_DEFAULT_METRICS: Final = (AutoscalingMetric(type="cpu", target=80),)
_DEFAULT_BEHAVIOR: Final = {
    # A burst that is over before a replica could be there does not bring one.
    "scaleUp": {
        "stabilizationWindowSeconds": 15,
        "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ],
    },
    # What goes must load its weights again to come back: it goes late, and few at a time.
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [
            {"type": "Pods", "value": 1, "periodSeconds": 60},
            {"type": "Percent", "value": 20, "periodSeconds": 60},
        ],
    },
}


def supported_metrics(model: ModelDeployment, pod_metrics: bool) -> tuple[AutoscalingMetric, ...]:
    """The metrics of the spec that an HPA can follow here, or the default when it names none.

    ``pod_metrics`` says whether the installation can follow what pods tell.
    """
    scaling = model.spec.autoscaling
    if scaling is None:
        return ()
    return tuple(m for m in scaling.metrics or _DEFAULT_METRICS if pod_metrics or m.type in RESOURCE_METRICS)


def horizontal_pod_autoscaler(model: ModelDeployment, pod_metrics: bool) -> Manifest | None:
    """None without autoscaling, while suspended, and when none of the metrics can be followed."""
    scaling, metrics = model.spec.autoscaling, supported_metrics(model, pod_metrics)
    if scaling is None or model.spec.lifecycle.suspend or not metrics:
        return None
    spec: dict[str, Any] = {
        "scaleTargetRef": scale_target(model),
        "minReplicas": fewest_replicas(model),
        "maxReplicas": scaling.max_replicas,
        "metrics": [_metric(metric) for metric in metrics],
        "behavior": behavior(scaling),
    }
    return manifest(model, HPA, spec=spec)


def scale_target(model: ModelDeployment) -> dict[str, str]:
    """The model's Deployment as an autoscaler names it."""
    name = child_name(model.metadata.name)
    return {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "name": name}


def behavior(scaling: Autoscaling) -> dict[str, Any]:
    """How fast replicas come and go (``behavior`` in autoscaling/v2)."""
    return scaling.behavior or _DEFAULT_BEHAVIOR


def target_of(metric: AutoscalingMetric) -> Decimal:
    """The average per replica to aim at, in the unit of the metrics API."""
    return metric.target * (Decimal("0.001") if BY_TYPE[metric.type].target_thousandths else Decimal(1))


def _metric(metric: AutoscalingMetric) -> dict[str, Any]:
    target: dict[str, Any]
    if metric.type in RESOURCE_METRICS:
        target = {"type": "Utilization", "averageUtilization": metric.target}
        return {"type": "Resource", "resource": {"name": metric.type, "target": target}}
    target = {"type": "AverageValue", "averageValue": f"{target_of(metric):f}"}
    return {"type": "Pods", "pods": {"metric": {"name": POD_METRICS[metric.type]}, "target": target}}
