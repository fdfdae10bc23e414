import json

import pytest
import yaml

from tests.chart import CHART, Helm, container, environment

pytestmark = pytest.mark.apiserver

APP_VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]


def test_images_have_the_version_of_the_app_by_default(helm: Helm) -> None:
    objects = helm.render()
    assert container(objects, "slipway-operator")["image"] == f"slipway-operator:{APP_VERSION}"
    assert container(objects, "slipway-router")["image"] == f"slipway-router:{APP_VERSION}"


def test_registry_and_tag_hold_for_all_and_can_be_overridden_for_one(helm: Helm) -> None:
    objects = helm.render(
        "image.registry=registry.example.com/ml/",
        "image.tag=1.2",
        "router.image.tag=1.3",
        "runtime.images.vllm.gpu=other.example.com:5000/vllm@sha256:00",
        "runtime.images.onnx.gpu=onnx-cuda",
        "runtime.images.diffusers.cpu=",
    )
    assert container(objects, "slipway-operator")["image"] == "registry.example.com/ml/slipway-operator:1.2"
    assert container(objects, "slipway-router")["image"] == "registry.example.com/ml/slipway-router:1.3"
    assert json.loads(environment(objects, "slipway-operator")["SLIPWAY_RUNTIME_IMAGES"]) == {
        "dummy": {"cpu": "registry.example.com/ml/slipway-runtime-onnx:1.2"},
        "llamacpp": {"cpu": "registry.example.com/ml/slipway-runtime-llamacpp:1.2"},
        "onnx": {
            "cpu": "registry.example.com/ml/slipway-runtime-onnx:1.2",
            "gpu": "registry.example.com/ml/onnx-cuda:1.2",
        },
        "tei": {
            "cpu": "ghcr.io/huggingface/text-embeddings-inference:cpu-1.9",
            "gpu": "ghcr.io/huggingface/text-embeddings-inference:cuda-1.9",
        },
        "vllm": {
            "cpu": "registry.example.com/ml/slipway-runtime-vllm-cpu:1.2",
            "gpu": "other.example.com:5000/vllm@sha256:00",
        },
    }


def test_a_text_stands_for_both_images_of_an_engine(helm: Helm) -> None:
    objects = helm.render("runtime.images.vllm=mine/vllm:1")
    images = json.loads(environment(objects, "slipway-operator")["SLIPWAY_RUNTIME_IMAGES"])
    assert images["vllm"] == {"cpu": "mine/vllm:1"}
