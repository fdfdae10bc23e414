"""Children that somebody deleted or edited come back as they were; what others add to them stays."""

from typing import Any

import pytest

from slipway_operator.domain.drift import holds, parse_quantity
from slipway_operator.domain.resources import (
    CORE_CHILDREN,
    DEPLOYMENT,
    HPA,
    PDB,
    PVC,
    SERVICE,
    SERVICE_ACCOUNT,
    Ref,
    Resource,
)
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, model


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.put(model(replicas=2, cache={"size": "1Gi"}, template={"labels": {"team": "x"}}))
    Operator(cluster).settle("m")
    return cluster


@pytest.mark.parametrize("resource", [r for r in CORE_CHILDREN if r is not HPA], ids=lambda r: r.kind)
def test_a_deleted_child_comes_back(cluster: FakeCluster, resource: Resource) -> None:
    name, before = next(iter(cluster.of_kind(resource).items()))
    cluster.remove(Ref(resource, NAMESPACE, name))
    Operator(cluster).settle("m")
    after = cluster.of_kind(resource)[name]
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after.get("spec") == before.get("spec")


@pytest.mark.parametrize(
    ("resource", "edit"),
    [
        (DEPLOYMENT, {"spec": {"replicas": 7}}),
        (DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [{"name": "runtime", "image": "other"}]}}}}),
        (DEPLOYMENT, {"metadata": {"labels": {"slipway.dev/model": "m", "slipway.dev/engine": "other"}}}),
        (SERVICE, {"spec": {"selector": {"slipway.dev/model": "other"}}}),
        (SERVICE_ACCOUNT, {"automountServiceAccountToken": True}),
        (PDB, {"spec": {"maxUnavailable": 2}}),
    ],
)
def test_an_edited_field_is_put_right(cluster: FakeCluster, resource: Resource, edit: dict[str, Any]) -> None:
    name, before = next(iter(cluster.of_kind(resource).items()))
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    metadata = {**edit.get("metadata", {}), "name": name, "namespace": NAMESPACE}
    cluster.put({**head, **edit, "metadata": metadata}, manager="somebody")
    assert cluster.of_kind(resource)[name] != before
    Operator(cluster).settle("m")
    after = cluster.of_kind(resource)[name]
    assert {k: v for k, v in after.items() if k != "metadata"} == {k: v for k, v in before.items() if k != "metadata"}
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


def test_a_claim_that_somebody_enlarged_stays_large(cluster: FakeCluster) -> None:
    claim = cluster.of_kind(PVC)["m-cache"]
    claim["spec"]["resources"]["requests"]["storage"] = "2048Mi"
    settled = len(cluster.writes)
    Operator(cluster).settle("m")
    cluster.put(model(replicas=2, cache={"size": "3Gi"}))
    assert "apply PersistentVolumeClaim m-cache" in cluster.writes[settled:]
    Operator(cluster).settle("m")
    assert cluster.of_kind(PVC)["m-cache"]["spec"]["resources"]["requests"]["storage"] == "3Gi"


def test_what_others_add_stays_and_costs_no_write(cluster: FakeCluster) -> None:
    head = {"apiVersion": "apps/v1", "kind": "Deployment"}
    metadata = {"name": "m", "namespace": NAMESPACE, "annotations": {"sidecar": "yes"}, "labels": {"theirs": "1"}}
    env = [{"name": "INJECTED", "value": "1"}]
    spec = {"template": {"spec": {"containers": [{"name": "runtime", "env": env}, {"name": "sidecar", "image": "s"}]}}}
    cluster.put({**head, "metadata": metadata, "spec": spec}, manager="somebody")
    settled = len(cluster.writes)
    Operator(cluster).settle("m")
    assert cluster.writes[settled:] == []
    assert cluster.of_kind(DEPLOYMENT)["m"]["metadata"]["annotations"]["sidecar"] == "yes"


def test_a_field_taken_out_of_the_spec_is_taken_out_of_the_child(cluster: FakeCluster) -> None:
    assert cluster.of_kind(DEPLOYMENT)["m"]["spec"]["template"]["metadata"]["labels"]["team"] == "x"
    cluster.put(model(replicas=2, cache={"size": "1Gi"}))
    Operator(cluster).settle("m")
    assert "team" not in cluster.of_kind(DEPLOYMENT)["m"]["spec"]["template"]["metadata"]["labels"]


def test_children_that_the_spec_no_longer_asks_for_go(cluster: FakeCluster) -> None:
    cluster.put(model(autoscaling={"maxReplicas": 3}))
    Operator(cluster).settle("m")
    assert cluster.of_kind(PVC) == {}
    assert (list(cluster.of_kind(HPA)), list(cluster.of_kind(PDB))) == (["m"], ["m"])
    cluster.put(model())
    Operator(cluster).settle("m")
    assert (cluster.of_kind(HPA), cluster.of_kind(PDB)) == ({}, {})


@pytest.mark.parametrize(
    ("desired", "live", "same"),
    [
        ({"requests": {"cpu": "0.5"}}, {"requests": {"cpu": "500m"}}, True),
        ({"requests": {"memory": "1024Mi"}}, {"requests": {"memory": "1Gi"}}, True),
        ({"limits": {"nvidia.com/gpu": "2"}}, {"limits": {"nvidia.com/gpu": "2", "cpu": "1"}}, True),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1001m"}}, False),
        ({"limits": {"cpu": "1"}}, {}, False),
        ({"emptyDir": {}}, {"emptyDir": {}}, True),
        ({"resources": {}, "value": ""}, {}, True),
        ({"automount": False}, {}, False),
        ({"value": "1"}, {"value": "1.0"}, False),
        ({"ports": [{"name": "a", "port": 1}]}, {"ports": [{"name": "b", "port": 2}, {"name": "a", "port": 1}]}, True),
        ({"items": ["a", "b"]}, {"items": ["b", "a"]}, False),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "a", "operator": "Equal"}]}, True),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "a"}, {"key": "b"}]}, False),
    ],
)
def test_fields_are_compared_as_the_api_server_means_them(
    desired: dict[str, Any], live: dict[str, Any], same: bool
) -> None:
    assert holds(desired, live) is same


@pytest.mark.parametrize("text", ["", "a", "1X", "1.2.3"])
def test_what_is_no_quantity_is_told_apart(text: str) -> None:
    assert parse_quantity(text) is None
