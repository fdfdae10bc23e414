"""While an autoscaler owns ``spec.replicas`` the operator leaves it alone, and switching to it loses no replica."""

from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, HPA, MODEL_DEPLOYMENT, Manifest, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, conditions, model

SCALED: dict[str, Any] = {
    "autoscaling": {"minReplicas": 2, "maxReplicas": 9},
    "resources": {"requests": {"cpu": "1"}},
}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def settle(cluster: FakeCluster, **spec: Any) -> None:
    cluster.put(model(**spec))
    Operator(cluster).settle("m")


def replicas(cluster: FakeCluster) -> object:
    return cluster.of_kind(DEPLOYMENT)["m"]["spec"].get("replicas")


def scale(cluster: FakeCluster, count: int) -> None:
    """What an autoscaler does."""
    metadata = {"name": "m", "namespace": NAMESPACE}
    manifest: Manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    cluster.put({**manifest, "spec": {"replicas": count}}, manager="kube-controller-manager")


def test_the_operator_does_not_touch_what_the_autoscaler_set(cluster: FakeCluster) -> None:
    settle(cluster, **SCALED)
    scale(cluster, 5)
    settle(cluster, **SCALED, engine={"type": "dummy", "args": ["--new"]})
    assert replicas(cluster) == 5


@pytest.mark.parametrize(("before", "after"), [(7, 7), (1, 2)])
def test_switching_to_the_autoscaler_keeps_the_replicas_or_the_minimum(
    cluster: FakeCluster, before: int, after: int
) -> None:
    settle(cluster, replicas=before)
    settle(cluster, **SCALED)
    assert replicas(cluster) == after
    assert cluster.of_kind(HPA)["m"]["spec"]["minReplicas"] == 2


def test_switching_back_sets_the_fixed_number(cluster: FakeCluster) -> None:
    settle(cluster, **SCALED)
    scale(cluster, 5)
    settle(cluster, replicas=3)
    assert replicas(cluster) == 3
    assert cluster.of_kind(HPA) == {}


def test_waking_from_suspension_gives_the_autoscaler_something_to_scale(cluster: FakeCluster) -> None:
    settle(cluster, **SCALED, lifecycle={"suspend": True})
    assert (replicas(cluster), cluster.of_kind(HPA)) == (0, {})
    settle(cluster, **SCALED)
    assert replicas(cluster) == 2


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        ({}, "False", "AutoscalingDisabled"),
        (SCALED, "True", "AutoscalingConfigured"),
        ({"autoscaling": {"maxReplicas": 3}}, "False", "InvalidConfiguration"),
        ({**SCALED, "autoscaling": {"maxReplicas": 3, "scaleToZero": {}}}, "True", "AutoscalingConfigured"),
    ],
)
def test_the_condition_says_whether_the_autoscaler_is_set_up(
    cluster: FakeCluster, spec: dict[str, Any], status: str, reason: str
) -> None:
    settle(cluster, **spec)
    assert conditions(cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")])["AutoscalingReady"] == (status, reason)
