"""Each engine's pods run its image, or the one for GPUs where the model asks for them."""

from typing import Any

import pytest

from slipway_crds.engines import EngineType
from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import IMAGES, NAMESPACE, Operator, model


def image_of(cluster: FakeCluster) -> str:
    (container,) = cluster.of_kind(DEPLOYMENT)["m"]["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


@pytest.mark.parametrize(
    ("engine", "gpus", "image"),
    [
        ("vllm", None, "registry.example/slipway-runtime-vllm-cpu:1.0"),
        ("vllm", 0, "registry.example/slipway-runtime-vllm-cpu:1.0"),
        ("vllm", 2, "registry.example/slipway-runtime-vllm:1.0"),
        ("onnx", None, "registry.example/slipway-runtime-onnx:1.0"),
        ("onnx", 1, "registry.example/slipway-runtime-onnx:1.0"),
        ("tei", None, "registry.example/tei:cpu"),
        ("tei", 1, "registry.example/tei:cuda"),
    ],
)
def test_the_image_of_a_model(engine: str, gpus: int | None, image: str) -> None:
    cluster = FakeCluster()
    resources: dict[str, Any] = {} if gpus is None else {"resources": {"gpu": {"count": gpus}}}
    cluster.put(model(engine={"type": engine}, model={"source": "hf://org/repo"}, **resources))
    Operator(cluster).settle("m")
    assert image_of(cluster) == image


def test_gpus_given_later_bring_another_image() -> None:
    cluster = FakeCluster()
    cluster.put(model(engine={"type": "vllm"}))
    Operator(cluster).settle("m")
    cluster.put(model(engine={"type": "vllm"}, resources={"gpu": {"count": 1}}))
    Operator(cluster).settle("m")
    assert image_of(cluster) == IMAGES[EngineType.VLLM].gpu


def test_the_models_own_image_comes_first() -> None:
    cluster = FakeCluster()
    cluster.put(model(engine={"type": "vllm", "image": "mine:1"}, resources={"gpu": {"count": 1}}))
    Operator(cluster).settle("m")
    assert image_of(cluster) == "mine:1"


def test_an_image_for_gpus_only_is_not_given_to_a_model_without() -> None:
    cluster = FakeCluster()
    cluster.put(model(engine={"type": "diffusers"}, model={"source": "hf://org/repo"}))
    Operator(cluster).settle("m")
    ready = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]["status"]["conditions"][-1]
    assert ready["reason"] == "EngineNotAvailable"
    assert "spec.resources.gpu" in ready["message"]
