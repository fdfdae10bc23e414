"""Public clients of text-embeddings-inference and OpenAI's work against the ONNX engine as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tei_clients
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local


def serve(folder: Path, source: str, task: str) -> Iterator[RuntimeProcess]:
    with runtime(folder, engine="onnx", model_source=source, tasks=(task,)) as process:
        process.wait_for_phase("ready")
        yield process


@pytest.fixture(scope="module")
def embed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    yield from serve(tmp_path_factory.mktemp("embed"), "demo://embed", "embeddings")


@pytest.fixture(scope="module")
def rerank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    yield from serve(tmp_path_factory.mktemp("rerank"), "demo://rerank", "rerank")


@pytest.fixture(scope="module")
def classify(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    yield from serve(tmp_path_factory.mktemp("classify"), "demo://classify", "classify")


def test_tei_client_embeds(embed: RuntimeProcess) -> None:
    tei_clients.check_tei_client_embeds(embed.data_url)


async def test_tei_client_embeds_asynchronously(embed: RuntimeProcess) -> None:
    await tei_clients.check_tei_client_embeds_asynchronously(embed.data_url)


def test_tei_client_reranks(rerank: RuntimeProcess) -> None:
    tei_clients.check_tei_client_reranks(rerank.data_url)


def test_tei_client_classifies(classify: RuntimeProcess) -> None:
    tei_clients.check_tei_client_classifies(classify.data_url)


def test_text_embeddings_inference_client_embeds(embed: RuntimeProcess) -> None:
    tei_clients.check_huggingfaces_client_embeds(embed.data_url)


def test_openais_client_embeds(embed: RuntimeProcess) -> None:
    tei_clients.check_openais_client_embeds(embed.data_url, "none", "m")
