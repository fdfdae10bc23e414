"""Of two models that claim the same name for callers, the younger one waits until the name is free."""

from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Manifest, Ref
from slipway_operator.domain.served_names import Claim, Claimant, Rivals, claim_of
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, conditions, model

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def claiming(name: str, *names: str, created: str = EARLY, adapters: tuple[str, ...] = (), **spec: Any) -> Manifest:
    source: dict[str, Any] = {"source": "demo://dummy"}
    if names:
        source["servedNames"] = list(names)
    if adapters:
        spec["adapters"] = [{"name": each, "source": "hf://org/lora"} for each in adapters]
        spec["engine"] = {"type": "vllm"}
    body = model(name, model=source, **spec)
    body["metadata"]["creationTimestamp"] = created
    return body


def settled(*manifests: Manifest) -> tuple[FakeCluster, Operator]:
    """A cluster with the models, each of which had its passes."""
    cluster = FakeCluster()
    for manifest in manifests:
        cluster.put(manifest)
    operator = Operator(cluster)
    for manifest in manifests:
        operator.settle(manifest["metadata"]["name"])
    return cluster, operator


def ready(cluster: FakeCluster, name: str) -> tuple[str, str]:
    return conditions(cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, name)])["Ready"]


def message(cluster: FakeCluster, name: str) -> str:
    found = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, name)]["status"]["conditions"]
    return next(str(item["message"]) for item in found if item["type"] == "Ready")


def test_the_younger_one_gets_no_children_and_is_told_whose_the_name_is() -> None:
    cluster, _ = settled(claiming("a", "chat", "other", created=LATE), claiming("b", "chat"))
    assert set(cluster.of_kind(DEPLOYMENT)) == {"b"}
    assert (ready(cluster, "a"), ready(cluster, "b")) == (("False", "ServedNameConflict"), ("False", "Pending"))
    assert message(cluster, "a") == (
        "ModelDeployment models/b is older and serves callers as 'chat'; "
        "choose another name in spec.model.servedNames, or delete ModelDeployment models/b"
    )


@pytest.mark.parametrize(
    ("older", "younger", "field"),
    [
        (claiming("a", "b"), claiming("b", created=LATE), "spec.model.servedNames"),
        (claiming("a", adapters=("x",)), claiming("b", "x", created=LATE), "spec.model.servedNames"),
        (claiming("a", "x"), claiming("b", adapters=("x",), created=LATE), "spec.adapters"),
        (claiming("a", "x"), claiming("b", "x"), "spec.model.servedNames"),
        (claiming("a", "x", lifecycle={"suspend": True}), claiming("b", "x", created=LATE), "spec.model.servedNames"),
    ],
    ids=["its own name", "an adapter has it", "for an adapter", "of the same second", "suspended"],
)
def test_every_kind_of_name_has_one_owner(older: Manifest, younger: Manifest, field: str) -> None:
    cluster, _ = settled(older, younger)
    assert ready(cluster, "a")[1] != "ServedNameConflict"
    assert ready(cluster, "b") == ("False", "ServedNameConflict")
    assert f"another name in {field}," in message(cluster, "b")


def test_a_provider_does_not_serve_it_either() -> None:
    outside = claiming("b", "x", engine={"type": "external"}, created=LATE)
    outside["spec"]["model"]["source"] = "https://api.example.com/v1"
    cluster, _ = settled(claiming("a", "x"), outside)
    assert ready(cluster, "b") == ("False", "ServedNameConflict")


def test_it_recovers_when_the_name_is_free() -> None:
    cluster, operator = settled(claiming("a", "x"), claiming("b", "x", created=LATE))
    cluster.put(claiming("a", "y"))
    operator.settle("b")
    assert set(cluster.of_kind(DEPLOYMENT)) == {"a", "b"}
    assert ready(cluster, "b") == ("False", "Pending")
    cluster.put(claiming("a", "x"))
    operator.settle("b")
    assert ready(cluster, "b") == ("False", "ServedNameConflict")
    assert set(cluster.of_kind(DEPLOYMENT)) == {"a", "b"}, "what it has is left as it is"
    cluster.remove(Ref(MODEL_DEPLOYMENT, NAMESPACE, "a"))
    operator.settle("b")
    assert ready(cluster, "b") == ("False", "Pending")


def test_a_model_that_is_going_has_no_names() -> None:
    going = claiming("a", "x")
    going["metadata"]["deletionTimestamp"] = LATE
    cluster, _ = settled(going, claiming("b", "x", created=LATE))
    assert set(cluster.of_kind(DEPLOYMENT)) == {"b"}


def test_a_refused_model_can_be_suspended() -> None:
    cluster, operator = settled(claiming("a", "x"), claiming("b", "y", created=LATE))
    cluster.put(claiming("b", "x", created=LATE))
    operator.settle("b")
    cluster.put(claiming("b", "x", created=LATE, lifecycle={"suspend": True}))
    operator.settle("b")
    assert cluster.of_kind(DEPLOYMENT)["b"]["spec"]["replicas"] == 0
    assert ready(cluster, "b") == ("False", "Suspended")


def test_nothing_is_written_twice() -> None:
    cluster, operator = settled(claiming("a", "x"), claiming("b", "x", created=LATE))
    written = list(cluster.writes)
    operator.settle("b")
    Operator(cluster).settle("b")
    assert cluster.writes == written


class Claims:
    """Models and what they claim, and who is to be looked at again when that changes."""

    def __init__(self) -> None:
        self._known: dict[Ref, Claim] = {}
        self._rivals = Rivals(
            lambda name: [claim.claimant for claim in self._known.values() if name in claim.names],
        )

    def put(self, name: str, *names: str, created: str = EARLY) -> set[str]:
        claim = claim_of(claiming(name, *names, created=created))
        assert claim is not None
        self._known[claim.claimant.key] = claim
        return {key.name for key in self._rivals.after(claim.claimant.key, claim)}

    def remove(self, name: str) -> set[str]:
        key = Claimant(EARLY, NAMESPACE, name).key
        del self._known[key]
        return {key.name for key in self._rivals.after(key, None)}


def test_only_models_that_share_a_name_are_looked_at_again() -> None:
    claims = Claims()
    assert claims.put("a", "x", "y") == set()
    assert claims.put("b", "y", "z") == {"a"}
    assert claims.put("c", "z") == {"b"}
    assert claims.put("c", "z") == set(), "its status changed, not what it claims"
    assert claims.put("a", "x") == {"b"}
    assert claims.put("b", "z", created=LATE) == {"c"}, "made anew under its old name"
    assert claims.remove("b") == {"c"}
    assert claims.remove("c") == set()


def test_what_cannot_be_read_claims_nothing() -> None:
    unknown = claiming("a", "x")
    unknown["spec"]["engine"] = {"type": "of-a-later-version"}
    assert claim_of(unknown) is None
