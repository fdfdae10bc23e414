"""`POST /classify` names the likeliest label of each text and the probabilities of all, as vLLM does."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from tests.onnx_servers import onnx_client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with onnx_client(resolve_demo("classify", tmp_path_factory.mktemp("cache")), Task.CLASSIFY) as client:
        yield client


def test_each_text_has_its_label_and_probabilities(client: TestClient) -> None:
    body = {"model": "m", "input": ["I loved it, what a great film!", "A terrible, boring book."]}
    answer = client.post("/classify", json=body).json()
    assert [item["label"] for item in answer["data"]] == ["positive", "negative"]
    assert [item["index"] for item in answer["data"]] == [0, 1]
    for item in answer["data"]:
        assert item["num_classes"] == len(item["probs"]) == 2
        assert sum(item["probs"]) == pytest.approx(1)
    assert answer["usage"]["total_tokens"] > 10


def test_one_text_needs_no_list(client: TestClient) -> None:
    (item,) = client.post("/v1/classify", json={"model": "m", "input": "wonderful"}).json()["data"]
    assert item["label"] == "positive"


def test_a_classifier_does_not_rerank(client: TestClient) -> None:
    answer = client.post("/v1/rerank", json={"model": "m", "query": "a", "documents": ["b"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_task")
