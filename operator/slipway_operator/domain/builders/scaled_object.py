"""KEDA's ScaledObject of a model: its triggers ask a Prometheus for what the metrics API would tell of the pods.

Format: KEDA's type ``ScaledObject`` in ``keda.sh/v1alpha1``, with its scalers ``prometheus``, ``cpu`` and ``memory``.
"""

from typing import Any, Final

from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import child_name
from slipway_crds.serving_spec import AutoscalingMetric
from slipway_operator.domain.builders.common import fewest_replicas, manifest
from slipway_operator.domain.builders.hpa import RESOURCE_METRICS, behavior, scale_target, supported_metrics, target_of
from slipway_operator.domain.metrics_api.state import Keda
from slipway_operator.domain.metrics_api.table import BY_TYPE
from slipway_operator.domain.resources import SCALED_OBJECT, Manifest

LABEL_OF_SERIES: Final = "slipway_dev_model"
"""The pods' label ``slipway.dev/model``, as Prometheus writes it."""


def scaled_object(model: ModelDeployment, keda: Keda) -> Manifest | None:
    """None without autoscaling and while suspended."""
    scaling = model.spec.autoscaling
    if scaling is None or model.spec.lifecycle.suspend:
        return None
    spec: dict[str, Any] = {
        "scaleTargetRef": scale_target(model),
        # From none to one and back is the operator's: KEDA sees no request that waits in a router.
        "minReplicaCount": fewest_replicas(model),
        "maxReplicaCount": scaling.max_replicas,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior(scaling)}},
        "triggers": [_trigger(model, metric, keda) for metric in supported_metrics(model, pod_metrics=True)],
    }
    return manifest(model, SCALED_OBJECT, spec=spec)


def _trigger(model: ModelDeployment, metric: AutoscalingMetric, keda: Keda) -> dict[str, Any]:
    if metric.type in RESOURCE_METRICS:
        return {"type": metric.type, "metricType": "Utilization", "metadata": {"value": str(metric.target)}}
    metadata = {
        "serverAddress": keda.prometheus_url,
        "query": total_query(metric.type, model.metadata.namespace, child_name(model.metadata.name)),
        "threshold": f"{target_of(metric):f}",
        # No answer is no reason to take replicas away: the autoscaler stays where it is then.
        "ignoreNullValues": "false",
    }
    return {"type": "prometheus", "name": metric.type, "metricType": "AverageValue", "metadata": metadata}


def total_query(metric_type: str, namespace: str, model: str) -> str:
    """PromQL for the sum over a model's pods, which an autoscaler divides by their number.

    Pods that are gone do not count: means and rates would remember them.
    """
    matchers = f'namespace="{namespace}",{LABEL_OF_SERIES}="{model}"'
    by_pod = BY_TYPE[metric_type].measure.promql(matchers, "pod")
    return f"sum(({by_pod}) and on (pod) up{{{matchers}}})"
