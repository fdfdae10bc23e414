"""Smaller numbers give nearly the same vectors."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import quantize_dynamic

from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from tests.onnx_servers import onnx_client

REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_reference.json").read_text())
SHORT = [case for case in REFERENCE if case["text"] and len(case["text"]) < 500]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return resolve_demo("embed", tmp_path_factory.mktemp("cache"))


def half(source: Path, target: Path) -> None:
    """The graph with its output in half precision, as graphs in float16 have it."""
    model = onnx.load(source)
    model.graph.node.append(
        helper.make_node("Cast", ["last_hidden_state"], ["token_embeddings"], to=TensorProto.FLOAT16)
    )
    del model.graph.output[:]
    shape: list[str | int | None] = ["batch", "sequence", 384]
    model.graph.output.append(helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT16, shape))
    onnx.save(model, target)


def similarities(folder: Path, dtype: str) -> list[float]:
    with onnx_client(folder, Task.EMBEDDINGS, dtype=dtype) as client:
        assert client.get("/info").json()["model_dtype"] == dtype
        body = {"model": "m", "input": [case["text"] for case in SHORT]}
        data = client.post("/v1/embeddings", json=body).json()["data"]
    return [float(np.dot(item["embedding"], case["vector"])) for item, case in zip(data, SHORT, strict=True)]


def test_int8(folder: Path) -> None:
    quantize_dynamic(folder / "onnx/model.onnx", folder / "onnx/model_quantized.onnx", per_channel=True)
    assert min(similarities(folder, "int8")) > 0.98


def test_float16(folder: Path) -> None:
    half(folder / "onnx/model.onnx", folder / "onnx/model_fp16.onnx")
    assert min(similarities(folder, "float16")) > 0.999
