"""The vLLM engine with an embedding model: the vectors are the original's, and generating is not among its calls."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import openai
import pytest

from tests.runtimes import RuntimeProcess

pytestmark = pytest.mark.engines
REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_reference.json").read_text(encoding="utf-8"))
# vLLM refuses texts beyond the model's limit instead of cutting them, and has no vector for no text.
ROWS = [row for row in REFERENCE if 0 < len(row["text"]) < 500]


@pytest.fixture(scope="module")
def process(vllm_embeddings: RuntimeProcess) -> RuntimeProcess:
    return vllm_embeddings


@pytest.fixture(scope="module")
def client(process: RuntimeProcess) -> Iterator[openai.OpenAI]:
    with process.openai() as client:
        yield client


def test_vectors_are_the_original_models(client: openai.OpenAI) -> None:
    data = client.embeddings.create(model="m", input=[row["text"] for row in ROWS]).data
    vectors = np.array([entry.embedding for entry in data])
    expected = np.array([row["vector"] for row in ROWS])
    cosines = (vectors * expected).sum(axis=1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.9999, f"cosines {cosines}"


def test_documents_are_ranked(process: RuntimeProcess) -> None:
    body = {"model": "m", "query": "a ship", "documents": ["a bowl of rice", "a boat at sea"]}
    answer = httpx2.post(f"{process.data_url}/v1/rerank", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert [result["index"] for result in answer.json()["results"]] == [1, 0]


def test_pooling_answers(process: RuntimeProcess) -> None:
    answer = httpx2.post(f"{process.data_url}/pooling", json={"model": "m", "input": "a ship"}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]


def test_it_does_not_chat(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
