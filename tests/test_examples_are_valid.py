from pathlib import Path

import pytest

from slipway_crds.api_key import APIKey
from slipway_crds.documents import load_documents
from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from tests.cluster.apiserver import ApiServer

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.yaml"))
BY_NAME = {path.stem: path for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read(path: Path) -> None:
    assert load_documents(path.read_text(), path.name)


@pytest.mark.apiserver
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_by_the_api_server(custom_resources: ApiServer, path: Path) -> None:
    answer = custom_resources.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert len(answer.splitlines()) == len(load_documents(path.read_text(), path.name))


def test_the_quickstart_needs_no_gpu_and_no_network() -> None:
    chat, embed, key = load_documents(BY_NAME["quickstart"].read_text(), "quickstart")
    assert isinstance(chat, ModelDeployment)
    assert isinstance(embed, ModelDeployment)
    assert (chat.metadata.name, chat.spec.engine.type) == ("demo-chat", EngineType.LLAMACPP)
    assert (embed.metadata.name, embed.spec.engine.type) == ("demo-embed", EngineType.ONNX)
    assert all(m.spec.model.source.startswith("demo://") for m in (chat, embed))
    assert all(m.spec.resources is not None and m.spec.resources.gpu is None for m in (chat, embed))
    assert isinstance(key, APIKey)
    assert (key.metadata.name, key.secret_name) == ("demo", "demo-apikey")


@pytest.mark.parametrize("name", ["gpu-chat", "gpu-embed"])
def test_a_gpu_example_asks_for_one_gpu(name: str) -> None:
    (model,) = load_documents(BY_NAME[name].read_text(), name)
    assert isinstance(model, ModelDeployment)
    assert model.spec.resources is not None
    assert model.spec.resources.gpu is not None
    assert (model.spec.resources.gpu.count, model.spec.resources.gpu.resource) == (1, "nvidia.com/gpu")
