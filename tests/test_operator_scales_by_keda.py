"""With KEDA, a model has a ScaledObject in place of an autoscaler, and AutoscalingReady tells what KEDA says of it."""

from typing import Any

import pytest

from slipway_crds.serving_spec import MetricType
from slipway_operator.domain.builders.scaled_object import total_query
from slipway_operator.domain.metrics_api.state import Keda
from slipway_operator.domain.metrics_api.table import BY_TYPE
from slipway_operator.domain.resources import DEPLOYMENT, HPA, MODEL_DEPLOYMENT, SCALED_OBJECT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, START, Operator, conditions, model

URL = "http://prometheus.monitoring.svc:9090"
KEDA = Keda(URL, served=True)
AWAY = Keda(URL, served=False)
IN_FLIGHT = {"minReplicas": 2, "maxReplicas": 9, "metrics": [{"type": "inFlight", "target": 4}]}
MIXED = {"maxReplicas": 9, "metrics": [{"type": "cpu", "target": 70}, {"type": "queueWait", "target": 500}]}
CPU = {"requests": {"cpu": "1"}}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def settle(cluster: FakeCluster, keda: Keda | None, scaling: dict[str, Any], **spec: Any) -> None:
    cluster.put(model(autoscaling=scaling, **spec))
    Operator(cluster, metrics_api=None, keda=keda).settle("m")


def autoscaling(cluster: FakeCluster) -> tuple[str, str, str]:
    body = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]
    told = next(item for item in body["status"]["conditions"] if item["type"] == "AutoscalingReady")
    return *conditions(body)["AutoscalingReady"], told["message"]


def test_a_scaled_object_takes_the_place_of_an_autoscaler(cluster: FakeCluster) -> None:
    settle(cluster, KEDA, IN_FLIGHT)
    assert cluster.of_kind(HPA) == {}
    assert "replicas" not in cluster.of_kind(DEPLOYMENT)["m"]["spec"]
    spec = cluster.of_kind(SCALED_OBJECT)["m"]["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 9)
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == 300
    (trigger,) = spec["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
    pods = '{namespace="models",slipway_dev_model="m"}'
    assert trigger["metadata"] == {
        "serverAddress": URL,
        "query": f"sum((sum by (pod) (avg_over_time(slipway_runtime_in_flight{pods}[1m]))) and on (pod) up{pods})",
        "threshold": "4",
        "ignoreNullValues": "false",
    }
    assert autoscaling(cluster)[:2] == ("True", "AutoscalingConfigured")


def test_triggers_follow_the_types_of_metrics(cluster: FakeCluster) -> None:
    settle(cluster, KEDA, MIXED, resources=CPU)
    cpu, wait = cluster.of_kind(SCALED_OBJECT)["m"]["spec"]["triggers"]
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}
    assert wait["metadata"]["threshold"] == "0.500"


def test_keda_scales_models_that_are_awake_and_slipway_wakes_them(cluster: FakeCluster) -> None:
    settle(cluster, KEDA, {"minReplicas": 0, "maxReplicas": 3, "scaleToZero": {}})
    assert cluster.of_kind(SCALED_OBJECT) == {}
    assert cluster.of_kind(DEPLOYMENT)["m"]["spec"]["replicas"] == 0
    now = START.isoformat().replace("+00:00", "Z")
    cluster.set_status(Ref(MODEL_DEPLOYMENT, NAMESPACE, "m"), {"demand": {"waiting": 1, "lastActiveAt": now}})
    Operator(cluster, metrics_api=None, keda=KEDA).pass_over("m")
    assert cluster.of_kind(DEPLOYMENT)["m"]["spec"]["replicas"] == 1
    assert cluster.of_kind(SCALED_OBJECT)["m"]["spec"]["minReplicaCount"] == 1


def test_a_suspended_model_has_no_scaled_object(cluster: FakeCluster) -> None:
    settle(cluster, KEDA, IN_FLIGHT, lifecycle={"suspend": True})
    assert cluster.of_kind(SCALED_OBJECT) == {}


@pytest.mark.parametrize("kind", sorted(BY_TYPE))
def test_every_metric_has_a_query_for_one_model(kind: MetricType) -> None:
    query = total_query(kind, "models", "m")
    assert query.count("(") == query.count(")")
    assert all(source in query for source in BY_TYPE[kind].sources)


def test_the_autoscaler_goes_before_the_scaled_object_comes(cluster: FakeCluster) -> None:
    settle(cluster, None, {"maxReplicas": 9}, resources=CPU)
    assert cluster.of_kind(HPA).keys() == {"m"}
    before = len(cluster.writes)
    Operator(cluster, metrics_api=None, keda=KEDA).settle("m")
    written = [write for write in cluster.writes[before:] if "HorizontalPod" in write or "ScaledObject" in write]
    assert written == ["delete HorizontalPodAutoscaler m", "apply ScaledObject m"]


def test_without_keda_the_condition_says_so_and_resources_are_followed(cluster: FakeCluster) -> None:
    settle(cluster, AWAY, MIXED, resources=CPU)
    assert cluster.of_kind(SCALED_OBJECT) == {}
    (metric,) = cluster.of_kind(HPA)["m"]["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"
    status, reason, message = autoscaling(cluster)
    assert (status, reason) == ("False", "KedaUnavailable")
    assert "Install KEDA" in message


def test_without_keda_the_fewest_replicas_run_of_models_that_follow_their_pods(cluster: FakeCluster) -> None:
    settle(cluster, AWAY, IN_FLIGHT)
    assert cluster.of_kind(HPA) == {}
    assert cluster.of_kind(DEPLOYMENT)["m"]["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ({"status": "Unknown"}, ("True", "AutoscalingConfigured")),
        ({"status": "True", "reason": "ScaledObjectReady"}, ("True", "AutoscalingConfigured")),
        (
            {"status": "False", "reason": "CheckFailed", "message": "no such"},
            ("False", "AutoscalingFailed"),
        ),
        ({"status": "Unknown", "reason": "PartialTriggerError", "message": "one"}, ("False", "AutoscalingFailed")),
    ],
)
def test_what_keda_says_is_told(cluster: FakeCluster, ready: dict[str, str], expected: tuple[str, str]) -> None:
    settle(cluster, KEDA, IN_FLIGHT)
    cluster.set_status(Ref(SCALED_OBJECT, NAMESPACE, "m"), {"conditions": [{"type": "Ready", **ready}]})
    Operator(cluster, metrics_api=None, keda=KEDA).settle("m")
    status, reason, message = autoscaling(cluster)
    assert (status, reason) == expected
    assert ("message" in ready) == (message == f"KEDA: {ready.get('reason')}: {ready.get('message')}")
