"""Each pooling makes its one vector of those of the tokens, padding left out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from tests.onnx_servers import onnx_client

Tokens = npt.NDArray[np.float64]
POOLINGS: dict[str, Callable[[Tokens], Any]] = {
    "mean": lambda tokens: tokens.mean(axis=0),
    "cls": lambda tokens: tokens[0],
    "last": lambda tokens: tokens[-1],
    "max": lambda tokens: tokens.max(axis=0),
}
TEXTS = ["a cat", "a cat and a dog sat on the mat", "stock"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return resolve_demo("embed", tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_it_is_that_of_the_token_vectors(folder: Path, pooling: str) -> None:
    with onnx_client(folder, Task.EMBEDDINGS, pooling=pooling, normalize=False) as client:
        everything = client.post("/embed_all", json={"inputs": TEXTS}).json()
        answer = client.post("/v1/embeddings", json={"model": "m", "input": TEXTS}).json()
    for tokens, item in zip(everything, answer["data"], strict=True):
        assert item["embedding"] == pytest.approx(POOLINGS[pooling](np.array(tokens)), abs=1e-4)


def test_embeddings_are_cut_and_scaled_anew_where_the_model_allows(folder: Path) -> None:
    with onnx_client(folder, Task.EMBEDDINGS, matryoshka=True) as client:
        body = {"model": "m", "input": "a cat"}
        whole = client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
        cut = client.post("/v1/embeddings", json=body | {"dimensions": 48}).json()["data"][0]["embedding"]
        longer = client.post("/v1/embeddings", json=body | {"dimensions": 385})
    assert np.linalg.norm(cut) == pytest.approx(1, abs=1e-5)
    assert cut == pytest.approx(np.array(whole[:48]) / np.linalg.norm(whole[:48]), abs=1e-5)
    assert (longer.status_code, longer.json()["error"]["param"]) == (400, "dimensions")
