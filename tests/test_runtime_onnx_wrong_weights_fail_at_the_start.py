"""A model that the ONNX engine cannot serve as asked ends the start, with the cause where Kubernetes looks."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.demo import resolve_demo
from slipway_runtime.domain.failure import RuntimeFailure
from tests.onnx_servers import onnx_server
from tests.runtimes import runtime


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return resolve_demo("rerank", tmp_path)


def load(folder: Path, *tasks: Task, **options: Any) -> RuntimeFailure:
    server = onnx_server(folder, *tasks, **options)
    try:
        with pytest.raises(RuntimeFailure) as raised:
            server.load()
    finally:
        server.close()
    return raised.value


def test_a_task_that_the_weights_cannot_do(folder: Path) -> None:
    failure = load(folder, Task.EMBEDDINGS)
    assert failure.reason is Reason.UNSUPPORTED_TASK
    assert "is a reranker with 1 label and cannot do embeddings; write tasks: [rerank, classify]" in failure.message


def test_a_graph_in_another_format(folder: Path) -> None:
    (folder / "onnx/model.onnx").write_bytes(b"GGUF" + bytes(100))
    failure = load(folder, Task.RERANK)
    assert failure.reason is Reason.WEIGHTS_INVALID
    assert "model.onnx cannot be loaded" in failure.message


def test_no_graph(folder: Path) -> None:
    shutil.rmtree(folder / "onnx")
    (folder / "model.safetensors").touch()
    failure = load(folder, Task.RERANK)
    assert failure.reason is Reason.WEIGHTS_INVALID
    assert "export the model to ONNX" in failure.message


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    failure = load(folder, Task.RERANK)
    assert failure.reason is Reason.WEIGHTS_INVALID
    assert "no tokenizer.json" in failure.message


def test_a_graph_without_the_head_that_the_config_tells_of(tmp_path: Path) -> None:
    folder = resolve_demo("embed", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["BertForSequenceClassification"]}))
    failure = load(folder, Task.CLASSIFY)
    assert failure.reason is Reason.WEIGHTS_INVALID
    assert "says classifier, but model.onnx has no output logits; it has last_hidden_state" in failure.message


def test_numbers_that_no_file_has(folder: Path) -> None:
    failure = load(folder, Task.RERANK, dtype="int8")
    assert failure.reason is Reason.WEIGHTS_INVALID
    assert "no ONNX file of int8" in failure.message


def test_a_prompt_that_the_model_does_not_have(folder: Path) -> None:
    failure = load(folder, Task.RERANK, default_prompt_name="query")
    assert failure.reason is Reason.INVALID_CONFIGURATION
    assert "no prompt named 'query'" in failure.message


@pytest.mark.local
def test_the_cause_is_in_the_termination_message(tmp_path: Path) -> None:
    with runtime(tmp_path, engine="onnx", model_source="demo://rerank") as process:
        assert process.wait_for_exit() == 78
        message = process.termination_message()
    assert message["reason"] == "UnsupportedTask"
    assert "write tasks: [rerank, classify]" in message["message"]


@pytest.mark.local
def test_gpus_that_cannot_be_used_are_told_in_the_state(tmp_path: Path) -> None:
    with runtime(tmp_path, engine="onnx", model_source="demo://rerank", tasks=("rerank",), gpu_count=1) as process:
        state = process.wait_for_phase("ready")
    assert state["device"] == "cpu"
    assert "onnxruntime-gpu" in state["deviceFallback"]
