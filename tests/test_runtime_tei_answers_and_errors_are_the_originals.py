"""The paths of text-embeddings-inference answer in its shapes, errors included."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from tests.onnx_servers import onnx_client

PROMPTS = {"prompts": {"query": "query: ", "document": "passage: "}, "default_prompt_name": None}
VALIDATION = (422, "Validation")
BACKEND = (424, "Backend")
EMPTY = (400, "Empty")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def embed(cache: Path) -> Iterator[TestClient]:
    folder = resolve_demo("embed", cache)
    (folder / "config_sentence_transformers.json").write_text(json.dumps(PROMPTS))
    with onnx_client(folder, Task.EMBEDDINGS, payload_limit=20_000) as client:
        yield client


@pytest.fixture(scope="module")
def rerank(cache: Path) -> Iterator[TestClient]:
    with onnx_client(resolve_demo("rerank", cache), Task.RERANK) as client:
        yield client


@pytest.fixture(scope="module")
def classify(cache: Path) -> Iterator[TestClient]:
    with onnx_client(resolve_demo("classify", cache), Task.CLASSIFY) as client:
        yield client


@pytest.fixture(scope="module")
def sparse(cache: Path) -> Iterator[TestClient]:
    with onnx_client(resolve_demo("sparse", cache), Task.EMBEDDINGS) as client:
        yield client


def post(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_single_input_and_a_batch_are_both_lists_of_vectors(embed: TestClient) -> None:
    (one,) = post(embed, "/embed", inputs="a cat")
    both = post(embed, "/embed", inputs=["a cat", "a dog"])
    by_ids = post(embed, "/embed", inputs=[101, 1037, 4937, 102])
    assert np.array(both).shape == (2, 384)
    assert np.dot(one, both[0]) > 0.9999
    assert np.dot(one, by_ids[0]) > 0.9999


def test_vectors_have_length_1_unless_asked_otherwise_and_can_be_cut(embed: TestClient) -> None:
    (raw,) = post(embed, "/embed", inputs="a cat", normalize=False)
    (cut,) = post(embed, "/embed", inputs="a cat", dimensions=64)
    assert np.linalg.norm(raw) > 1.5
    assert np.linalg.norm(cut) == pytest.approx(1, abs=1e-5)
    assert np.dot(cut, raw[:64]) == pytest.approx(np.linalg.norm(raw[:64]), rel=1e-4)


def test_the_mean_of_all_token_vectors_is_the_embedding(embed: TestClient) -> None:
    (tokens,) = post(embed, "/embed_all", inputs="a cat")
    (raw,) = post(embed, "/embed", inputs="a cat", normalize=False)
    assert np.array(tokens).shape == (4, 384)
    assert np.mean(tokens, axis=0) == pytest.approx(np.array(raw), abs=1e-4)


def test_similarity_is_the_cosine(embed: TestClient) -> None:
    inputs = {"source_sentence": "a cat", "sentences": ["a kitten", "the stock market", "a cat"]}
    near, far, same = post(embed, "/similarity", inputs=inputs)
    assert far < near < same == pytest.approx(1, abs=1e-4)


def test_a_named_prompt_is_put_before_the_text(embed: TestClient) -> None:
    (named,) = post(embed, "/embed", inputs="a cat", prompt_name="query")
    (written,) = post(embed, "/embed", inputs="query: a cat")
    assert np.dot(named, written) > 0.9999
    answer = embed.post("/tokenize", json={"inputs": "a", "prompt_name": "none"})
    assert (answer.status_code, answer.json()["error_type"]) == VALIDATION
    assert 'Available prompts: ["query", "document"]' in answer.json()["error"]


def test_tokens_are_told_with_their_bytes(embed: TestClient) -> None:
    (tokens,) = post(embed, "/tokenize", inputs="Zoë sat")
    assert tokens[0] == {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
    assert [token["text"] for token in tokens[1:-1]] == ["Zoë", "sat"]
    assert [(token["start"], token["stop"]) for token in tokens[1:-1]] == [(0, 4), (5, 8)]
    (bare,) = post(embed, "/tokenize", inputs=["Zoë sat"], add_special_tokens=False)
    assert [token["id"] for token in bare] == [token["id"] for token in tokens[1:-1]]
    assert post(embed, "/decode", ids=[101, 4937, 102]) == ["cat"]
    assert post(embed, "/decode", ids=[[101, 4937, 102]], skip_special_tokens=False) == ["[CLS] cat [SEP]"]


def test_truncation_can_keep_the_end(embed: TestClient) -> None:
    long = "kitten " * 300 + "market " * 300
    (start,) = post(embed, "/embed", inputs=long, truncate=True)
    (end,) = post(embed, "/embed", inputs=long, truncate=True, truncation_direction="left")
    (kitten,) = post(embed, "/embed", inputs="kitten " * 100)
    assert np.dot(start, kitten) > 0.8 > 0.6 > np.dot(end, kitten)


def test_ranks_and_raw_scores(rerank: TestClient) -> None:
    texts = ["The market fell.", "A cat sat."]
    first, second = post(rerank, "/rerank", query="cats", texts=texts, return_text=True)
    assert (first["index"], first["text"], second["index"]) == (1, texts[1], 0)
    raw = post(rerank, "/rerank", query="cats", texts=texts, raw_scores=True)[0]
    assert set(raw) == {"index", "score"}
    assert 1 / (1 + np.exp(-raw["score"])) == pytest.approx(first["score"], abs=1e-6)
    ((label,),) = [post(rerank, "/predict", inputs=["cats", "a cat"])]
    assert label["label"] == "LABEL_0"


def test_predictions_are_a_list_for_one_text_and_lists_for_a_batch(classify: TestClient) -> None:
    one = post(classify, "/predict", inputs="what a wonderful film")
    (same, pair) = post(classify, "/predict", inputs=[["what a wonderful film"], ["awful", "terrible"]])
    assert [item["label"] for item in one] == ["positive", "negative"]
    assert one[0]["score"] == pytest.approx(same[0]["score"], abs=1e-6)
    assert pair[0]["label"] == "negative"
    raw = post(classify, "/predict", inputs="wonderful", raw_scores=True)
    assert raw[0]["score"] == pytest.approx(-raw[1]["score"], abs=1e-3)


def test_sparse_embeddings_weigh_words_and_their_neighbours(sparse: TestClient) -> None:
    (weights,) = post(sparse, "/embed_sparse", inputs="cat")
    by_id = {item["index"]: item["value"] for item in weights}
    cat, cats, paris = 4937, 8870, 3000
    assert by_id[cat] > by_id[cats] > 0
    assert paris not in by_id
    (dense,) = post(sparse, "/embed", inputs="cat", normalize=False)
    assert {index for index, value in enumerate(dense) if value} == set(by_id)


@pytest.mark.parametrize(
    ("path", "body", "expected", "words"),
    [
        ("/embed", {}, VALIDATION, "`inputs` must be"),
        ("/embed", {"inputs": []}, EMPTY, "`inputs` cannot be empty"),
        ("/embed", {"inputs": ["a", ""]}, EMPTY, "`inputs` cannot be empty"),
        ("/embed", {"inputs": [1.5]}, VALIDATION, "`inputs` must be"),
        ("/embed", {"inputs": ["a"] * 33}, VALIDATION, "batch size 33 > maximum allowed batch size 32"),
        ("/embed", {"inputs": "word " * 300}, VALIDATION, "300 tokens|302 tokens"),
        ("/embed", {"inputs": [10**9]}, VALIDATION, "vocabulary"),
        ("/embed", {"inputs": "a", "dimensions": 385}, VALIDATION, "smaller than the maximum"),
        ("/embed", {"inputs": "a", "dimensions": 0}, VALIDATION, "should be positive"),
        ("/embed", {"inputs": "a", "truncate": "yes"}, VALIDATION, "`truncate` must be true or false"),
        ("/embed", {"inputs": "a", "truncation_direction": "up"}, VALIDATION, "left or right"),
        ("/embed", {"inputs": "word " * 5000}, (413, "Validation"), "larger than 20000 bytes"),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, EMPTY, "`sentences` cannot be empty"),
        ("/similarity", {"inputs": "a"}, VALIDATION, "`source_sentence`"),
        ("/decode", {"ids": ["a"]}, VALIDATION, "`ids` must be token ids"),
        ("/embed_sparse", {"inputs": "a"}, BACKEND, "not an embedding model with SPLADE pooling"),
        ("/rerank", {"query": "a", "texts": ["b"]}, BACKEND, "model is not a re-ranker model"),
        ("/predict", {"inputs": "a"}, BACKEND, "not a classifier model"),
    ],
)
def test_refusals_have_its_shape(
    embed: TestClient, path: str, body: dict[str, Any], expected: tuple[int, str], words: str
) -> None:
    answer = embed.post(path, json=body)
    assert set(answer.json()) == {"error", "error_type"}
    assert (answer.status_code, answer.json()["error_type"]) == expected
    assert any(word in answer.json()["error"] for word in words.split("|"))


def test_a_body_that_is_not_json_is_refused_in_its_shape(embed: TestClient) -> None:
    answer = embed.post("/embed", content=b"{")
    assert (answer.status_code, answer.json()["error_type"]) == VALIDATION


def test_a_reranker_embeds_nothing(rerank: TestClient) -> None:
    for path, body in (("/embed", {"inputs": "a"}), ("/embed_all", {"inputs": "a"})):
        answer = rerank.post(path, json=body)
        assert (answer.status_code, answer.json()["error_type"]) == BACKEND


def test_info_tells_the_kind_of_model_and_the_bounds(embed: TestClient, classify: TestClient) -> None:
    info = embed.get("/info").json()
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (info["max_input_length"], info["max_client_batch_size"], info["model_dtype"]) == (256, 32, "float32")
    labels = classify.get("/info").json()["model_type"]["classifier"]
    assert labels["id2label"] == {"0": "negative", "1": "positive"}
    assert labels["label2id"] == {"negative": 0, "positive": 1}


def test_its_metrics_have_its_names(embed: TestClient) -> None:
    post(embed, "/embed", inputs="a cat")
    embed.post("/embed", json={"inputs": []})
    lines = embed.get("/metrics").text.splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(samples['te_request_count{method="single"}']) >= 1
    assert float(samples['te_request_success{method="single"}']) >= 1
    assert float(samples['te_request_failure{err="validation"}']) >= 1
    for name in ("te_request_duration", "te_embed_inference_duration", "te_request_input_length", "te_batch_next_size"):
        assert float(samples[f"{name}_count"]) >= 1
    assert float(samples["te_queue_size"]) == 0
