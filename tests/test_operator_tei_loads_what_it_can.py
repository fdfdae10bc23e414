"""A model with engine tei gets a TEI container, or a word on what TEI cannot load."""

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, model


def settled(source: str) -> FakeCluster:
    cluster = FakeCluster()
    cluster.put(model(engine={"type": "tei"}, model={"source": source}))
    Operator(cluster).settle("m")
    return cluster


@pytest.mark.parametrize(
    ("source", "model_id", "revision"),
    [
        ("hf://BAAI/bge-m3", "BAAI/bge-m3", None),
        ("hf://BAAI/bge-m3@v1.5", "BAAI/bge-m3", "v1.5"),
        ("pvc://weights", "/mnt/slipway/pvc/weights", None),
        ("pvc://weights/bge/m3", "/mnt/slipway/pvc/weights/bge/m3", None),
        ("file:///models/bge", "/models/bge", None),
    ],
)
def test_where_tei_finds_the_model(source: str, model_id: str, revision: str | None) -> None:
    (container,) = settled(source).of_kind(DEPLOYMENT)["m"]["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment["MODEL_ID"] == model_id
    assert environment.get("REVISION") == revision


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/bge",
        "gs://bucket/bge",
        "https://example.com/bge",
        "oci://registry/bge",
        "demo://embed",
        "hf://a/b/c.gguf",
    ],
)
def test_other_sources_are_refused_with_what_to_write(source: str) -> None:
    cluster = settled(source)
    assert cluster.of_kind(DEPLOYMENT) == {}
    ready = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]["status"]["conditions"][-1]
    assert (ready["status"], ready["reason"]) == ("False", "InvalidConfiguration")
    assert source in ready["message"]
    assert "hf://org/repo[@revision], pvc://claim/path and file:///path" in ready["message"]
