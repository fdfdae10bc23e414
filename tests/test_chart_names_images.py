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
        "runtime.images.vllm=other.example.com:5000/vllm@sha256:00",
    )
    assert container(objects, "slipway-operator")["image"] == "registry.example.com/ml/slipway-operator:1.2"
    assert container(objects, "slipway-router")["image"] == "registry.example.com/ml/slipway-router:1.3"
    assert json.loads(environment(objects, "slipway-operator")["SLIPWAY_RUNTIME_IMAGES"]) == {
        "dummy": "registry.example.com/ml/slipway-runtime-onnx:1.2",
        "llamacpp": "registry.example.com/ml/slipway-runtime-llamacpp:1.2",
        "onnx": "registry.example.com/ml/slipway-runtime-onnx:1.2",
        "vllm": "other.example.com:5000/vllm@sha256:00",
    }
