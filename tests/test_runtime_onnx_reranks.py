"""`POST /v1/rerank` orders documents in the shape that Jina, Cohere and vLLM share."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from tests.onnx_servers import onnx_client

DOCUMENTS = ["The stock market fell today.", "A cat sat on the mat.", "Kittens and felines purr.", "Dogs bark."]
BEST_FIRST = [1, 2, 3, 0]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with onnx_client(resolve_demo("rerank", tmp_path_factory.mktemp("cache")), Task.RERANK, Task.CLASSIFY) as client:
        yield client


def rerank(client: TestClient, **body: Any) -> httpx2.Response:
    return client.post("/v1/rerank", json={"model": "m", "query": "cats", "documents": DOCUMENTS} | body)


def test_the_most_relevant_comes_first(client: TestClient) -> None:
    answer = rerank(client).json()
    results = answer["results"]
    assert [result["index"] for result in results] == BEST_FIRST
    assert all(set(result) == {"index", "relevance_score"} for result in results)
    scores = [result["relevance_score"] for result in results]
    assert 1 >= scores[0] > 0.9
    assert scores[-1] < 0.1
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 4 * 5
    assert answer["model"] == "m"


def test_top_n_and_the_documents_themselves_are_given_on_request(client: TestClient) -> None:
    results = rerank(client, top_n=2, return_documents=True).json()["results"]
    assert [result["document"] for result in results] == [{"text": DOCUMENTS[1]}, {"text": DOCUMENTS[2]}]
    assert len(rerank(client, top_n=99).json()["results"]) == len(DOCUMENTS)


def test_documents_may_be_objects_with_a_text(client: TestClient) -> None:
    objects = [{"text": document, "id": n} for n, document in enumerate(DOCUMENTS)]
    assert [result["index"] for result in rerank(client, documents=objects).json()["results"]] == BEST_FIRST


def test_a_score_is_the_same_alone_and_among_others(client: TestClient) -> None:
    among = {result["index"]: result["relevance_score"] for result in rerank(client).json()["results"]}
    for index, document in enumerate(DOCUMENTS):
        (alone,) = rerank(client, documents=[document]).json()["results"]
        assert alone["relevance_score"] == pytest.approx(among[index], abs=1e-4)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"query": None}, "query", "must be a string"),
        ({"documents": []}, "documents", "not empty"),
        ({"documents": "one"}, "documents", "list of strings"),
        ({"documents": ["a", 7]}, "documents[1]", '{"text": "..."}'),
        ({"documents": ["a"] * 2049}, "documents", "at most 2048"),
        ({"documents": ["word " * 600]}, "input[0]", "at most 512"),
        ({"top_n": 0}, "top_n", "1 or more"),
        ({"return_documents": "yes"}, "return_documents", "true or false"),
        ({"truncate": 1}, "truncate", "true or false"),
    ],
)
def test_what_cannot_be_ranked_is_named(client: TestClient, body: dict[str, Any], param: str, words: str) -> None:
    answer = rerank(client, **body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert words in answer.json()["error"]["message"]


def test_another_model_is_not_found_and_another_task_unsupported(client: TestClient) -> None:
    assert rerank(client, model="other").status_code == 404
    refused = client.post("/v1/embeddings", json={"model": "m", "input": "a"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_task")
    assert "is a reranker" in refused.json()["error"]["message"]


def test_a_long_document_is_cut_on_request(client: TestClient) -> None:
    answer = rerank(client, documents=["cat " + "word " * 600], truncate=True)
    assert answer.status_code == 200
    assert answer.json()["usage"]["total_tokens"] == 512
