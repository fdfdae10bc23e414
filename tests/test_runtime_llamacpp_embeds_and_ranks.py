"""Embeddings of a GGUF equal the original model's; a reranker's scores order the documents."""

import json
import math
from pathlib import Path

import httpx2
import pytest

from tests.gguf_models import minilm
from tests.runtimes import runtime

pytestmark = pytest.mark.local
REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_reference.json").read_text())
LONG = 200
"""Words; the reference has cut what is longer, llama.cpp refuses what is longer than the model reads."""


def cosine(first: list[float], second: list[float]) -> float:
    dot = math.sumprod(first, second) if hasattr(math, "sumprod") else sum(map(float.__mul__, first, second))
    return dot / math.hypot(*first) / math.hypot(*second)


def test_embeddings_equal_the_original_models(tmp_path: Path) -> None:
    source = f"file://{minilm(tmp_path / 'minilm.gguf')}"
    with runtime(tmp_path, engine="llamacpp", model_source=source, tasks=("embeddings",)) as process:
        process.wait_for_phase("ready")
        cases = [case for case in REFERENCE if len(case["text"].split()) < LONG]
        with process.openai() as client:
            answer = client.embeddings.create(model="m", input=[case["text"] for case in cases])
    assert len(cases) > 5
    for entry, case in zip(answer.data, cases, strict=True):
        assert cosine(entry.embedding, case["vector"]) > 0.999
        assert math.hypot(*entry.embedding) == pytest.approx(1, abs=1e-3)


def test_an_input_longer_than_the_model_reads_is_refused(tmp_path: Path) -> None:
    source = f"file://{minilm(tmp_path / 'minilm.gguf')}"
    with runtime(tmp_path, engine="llamacpp", model_source=source, tasks=("embeddings",)) as process:
        process.wait_for_phase("ready")
        body = {"model": "m", "input": "word " * 600}
        answer = httpx2.post(f"{process.data_url}/v1/embeddings", json=body)
    assert answer.status_code == 400
    assert "larger than the max context size" in answer.json()["error"]["message"]


def test_documents_are_ranked_by_their_scores(tmp_path: Path) -> None:
    source = f"file://{minilm(tmp_path / 'ranker.gguf', scores=True)}"
    with runtime(tmp_path, engine="llamacpp", model_source=source, tasks=("rerank",)) as process:
        process.wait_for_phase("ready")
        body = {"model": "m", "query": "ships", "documents": ["Cheese.", "A ship leaves the slipway.", "Rain."]}
        answer = httpx2.post(f"{process.data_url}/v1/rerank", json=body)
    assert answer.status_code == 200
    results = answer.json()["results"]
    scores = [result["relevance_score"] for result in results]
    assert {result["index"] for result in results} == {0, 1, 2}
    assert len(set(scores)) == 3
    assert scores == sorted(scores, reverse=True)
