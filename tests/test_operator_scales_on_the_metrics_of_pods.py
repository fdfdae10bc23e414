"""Models are scaled by the metrics of their pods, and the condition AutoscalingReady says when that cannot work."""

from typing import Any

import pytest

from slipway_operator.domain.builders.hpa import POD_METRICS
from slipway_operator.domain.metrics_api.state import SETTING_UP, RegistrationState
from slipway_operator.domain.metrics_api.table import BY_NAME
from slipway_operator.domain.resources import DEPLOYMENT, HPA, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, REGISTERED, Operator, conditions, model

IN_FLIGHT = {"autoscaling": {"minReplicas": 2, "maxReplicas": 9, "metrics": [{"type": "inFlight", "target": 4}]}}
MIXED = {
    "autoscaling": {"maxReplicas": 9, "metrics": [{"type": "cpu", "target": 70}, {"type": "inFlight", "target": 4}]},
    "resources": {"requests": {"cpu": "1"}},
}
FOREIGN = RegistrationState(False, "somebody else serves it", ("v1beta1.custom.metrics.k8s.io",))
METRIC = "slipway_in_flight_requests"
NO_METRICS = {
    "type": "ScalingActive",
    "status": "False",
    "reason": "FailedGetPodsMetric",
    "message": "no metrics returned from custom metrics API",
}
WORKS = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": ""}
TOLD = {"type": "Pods", "pods": {"metric": {"name": METRIC}, "current": {"averageValue": "2"}}}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def settle(cluster: FakeCluster, spec: dict[str, Any], metrics_api: RegistrationState | None = REGISTERED) -> None:
    cluster.put(model(**spec))
    Operator(cluster, metrics_api=metrics_api).settle("m")


def passes(cluster: FakeCluster, spec: dict[str, Any], metrics_api: RegistrationState) -> float | None:
    """Passes while the metrics API is not registered, which end with a time to look again."""
    cluster.put(model(**spec))
    operator = Operator(cluster, metrics_api=metrics_api)
    for _ in range(5):
        wait = operator.pass_over("m")
        operator.clock.seconds += wait or 0.0
    return wait


def hpa_says(cluster: FakeCluster, *told: dict[str, Any], **status: Any) -> None:
    cluster.set_status(Ref(HPA, NAMESPACE, "m"), {"conditions": list(told), **status})


def autoscaling(cluster: FakeCluster) -> tuple[str, str]:
    return conditions(cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")])["AutoscalingReady"]


def message(cluster: FakeCluster) -> str:
    found = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]["status"]["conditions"]
    return next(str(item["message"]) for item in found if item["type"] == "AutoscalingReady")


def test_the_metrics_api_knows_every_metric_that_specs_can_name() -> None:
    assert set(POD_METRICS.values()) <= BY_NAME.keys()


def test_a_large_target_is_not_written_twice(cluster: FakeCluster) -> None:
    settle(cluster, {"autoscaling": {"maxReplicas": 3, "metrics": [{"type": "queueLength", "target": 2000}]}})
    stored = cluster.of_kind(HPA)["m"]["spec"]["metrics"][0]["pods"]["target"]
    assert stored == {"type": "AverageValue", "averageValue": "2000"}
    cluster.objects[Ref(HPA, NAMESPACE, "m")]["spec"]["metrics"][0]["pods"]["target"]["averageValue"] = "2k"
    before = len(cluster.writes)
    Operator(cluster).settle("m")
    assert len(cluster.writes) == before


def test_replicas_come_in_seconds_and_go_in_minutes(cluster: FakeCluster) -> None:
    settle(cluster, IN_FLIGHT)
    behavior = cluster.of_kind(HPA)["m"]["spec"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] < 30
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_behaviour_of_the_spec_takes_the_place_of_ours(cluster: FakeCluster) -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    settle(cluster, {"autoscaling": {**IN_FLIGHT["autoscaling"], "behavior": behavior}})
    assert cluster.of_kind(HPA)["m"]["spec"]["behavior"] == behavior


def test_without_a_metrics_api_such_metrics_are_left_out(cluster: FakeCluster) -> None:
    settle(cluster, MIXED, metrics_api=None)
    (metric,) = cluster.of_kind(HPA)["m"]["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert autoscaling(cluster) == ("False", "MetricNotSupported")
    assert "left out: inFlight" in message(cluster)


def test_without_any_metric_that_can_be_followed_the_fewest_replicas_run(cluster: FakeCluster) -> None:
    settle(cluster, IN_FLIGHT, metrics_api=None)
    assert cluster.of_kind(HPA) == {}
    assert cluster.of_kind(DEPLOYMENT)["m"]["spec"]["replicas"] == 2


def test_the_autoscalers_own_complaint_is_told(cluster: FakeCluster) -> None:
    settle(cluster, IN_FLIGHT)
    assert autoscaling(cluster) == ("True", "AutoscalingConfigured")
    hpa_says(cluster, NO_METRICS)
    Operator(cluster).settle("m")
    assert autoscaling(cluster) == ("False", "AutoscalingFailed")
    assert message(cluster) == "FailedGetPodsMetric: no metrics returned from custom metrics API"
    hpa_says(cluster, WORKS, currentMetrics=[TOLD])
    Operator(cluster).settle("m")
    assert autoscaling(cluster) == ("True", "AutoscalingConfigured")


def test_somebody_else_who_serves_the_api_is_named(cluster: FakeCluster) -> None:
    assert passes(cluster, IN_FLIGHT, FOREIGN) is not None
    assert autoscaling(cluster) == ("False", "MetricsApiUnavailable")
    assert message(cluster) == FOREIGN.message


def test_somebody_else_may_serve_our_metrics(cluster: FakeCluster) -> None:
    passes(cluster, IN_FLIGHT, FOREIGN)
    hpa_says(cluster, WORKS, currentMetrics=[TOLD])
    passes(cluster, IN_FLIGHT, FOREIGN)
    assert autoscaling(cluster) == ("True", "AutoscalingConfigured")


def test_models_that_follow_no_pods_do_not_care(cluster: FakeCluster) -> None:
    settle(cluster, {**MIXED, "autoscaling": {"maxReplicas": 3}}, metrics_api=FOREIGN)
    assert autoscaling(cluster) == ("True", "AutoscalingConfigured")


def test_a_registration_that_is_not_known_yet_is_no_problem(cluster: FakeCluster) -> None:
    assert passes(cluster, IN_FLIGHT, SETTING_UP) is not None
    assert autoscaling(cluster) == ("True", "AutoscalingConfigured")
