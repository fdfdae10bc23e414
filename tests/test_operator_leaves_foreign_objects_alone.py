"""An object with a child's name that belongs to somebody else is not changed, and the model says so."""

import pytest

from slipway_operator.domain.errors import NotOursError
from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, SERVICE, Manifest, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, conditions, model

MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")


def foreign_service() -> Manifest:
    metadata = {"name": "m", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "NodePort"}}


def test_a_foreign_service_stays_and_is_named_in_the_condition() -> None:
    cluster = FakeCluster()
    cluster.put(foreign_service())
    cluster.put(model())
    operator = Operator(cluster)
    with pytest.raises(NotOursError):
        operator.pass_over("m")
    assert cluster.of_kind(SERVICE)["m"]["spec"] == {"type": "NodePort"}
    assert "ownerReferences" not in cluster.of_kind(SERVICE)["m"]["metadata"]
    assert conditions(cluster.objects[MODEL])["Ready"] == ("False", "ReconcileFailed")
    message = cluster.objects[MODEL]["status"]["conditions"][-1]["message"]
    assert message.startswith("Service m exists and does not belong to this ModelDeployment; delete it or rename")


def test_a_child_of_an_earlier_model_of_the_name_is_left_to_the_garbage_collector() -> None:
    cluster = FakeCluster()
    cluster.put(model())
    Operator(cluster).settle("m")
    service = cluster.objects[Ref(SERVICE, NAMESPACE, "m")]
    service["metadata"]["ownerReferences"][0]["uid"] = "of-an-earlier-one"
    before = len(cluster.writes)
    Operator(cluster).pass_over("m")
    assert [write for write in cluster.writes[before:] if "Service m" in write] == []
    assert conditions(cluster.objects[MODEL])["Ready"] == ("False", "ReconcileFailed")
    cluster.remove(Ref(SERVICE, NAMESPACE, "m"))
    Operator(cluster).settle("m")
    assert list(cluster.of_kind(SERVICE)) == ["m"]


def test_it_goes_on_once_the_foreign_object_is_gone() -> None:
    cluster = FakeCluster()
    cluster.put(foreign_service())
    cluster.put(model())
    operator = Operator(cluster)
    with pytest.raises(NotOursError):
        operator.pass_over("m")
    cluster.remove(Ref(SERVICE, NAMESPACE, "m"))
    operator.settle("m")
    assert list(cluster.of_kind(DEPLOYMENT)) == ["m"]
    assert conditions(cluster.objects[MODEL])["Ready"] == ("False", "Pending")


def test_children_of_a_model_that_is_being_deleted_are_not_made_again() -> None:
    cluster = FakeCluster()
    body = model()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.put(body)
    Operator(cluster).settle("m")
    assert cluster.of_kind(DEPLOYMENT) == {}
