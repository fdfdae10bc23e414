"""For vLLM, `demo://NAME` is a folder as on the Hugging Face hub, made from what ships with the runtime."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from slipway_crds.engines import EngineType
from slipway_runtime.adapters.vllm.weights import check_chat_template, check_folder, check_weights, read_adapter
from slipway_runtime.demo import UnknownDemoModelError, resolve_demo
from slipway_runtime.demo.gguf_file import GgufError, read_gguf


@pytest.mark.parametrize("name", ["chat", "vision"])
def test_it_has_all_that_vllm_looks_for(tmp_path: Path, name: str) -> None:
    folder = resolve_demo(name, tmp_path, EngineType.VLLM)
    check_folder(folder)
    check_weights(folder)
    check_chat_template(folder)


def test_the_chat_models_weights_are_those_of_the_gguf(tmp_path: Path) -> None:
    source = read_gguf(resolve_demo("chat", tmp_path)).tensors
    folder = resolve_demo("chat", tmp_path, EngineType.VLLM)
    tensors = load_file(folder / "model.safetensors")
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    assert len(tensors) == len(source) == 2 + 9 * layers
    np.testing.assert_array_equal(tensors["model.embed_tokens.weight"], source["token_embd.weight"])
    # The rows of a query are the same ones in another order.
    query, theirs = tensors["model.layers.0.self_attn.q_proj.weight"], source["blk.0.attn_q.weight"]
    assert {row.tobytes() for row in query} == {row.tobytes() for row in theirs}
    assert not np.array_equal(query, theirs)


@pytest.mark.parametrize("name", ["pirate", "brief"])
def test_adapters_ship_with_the_runtime(tmp_path: Path, name: str) -> None:
    assert read_adapter(name, resolve_demo(f"chat-lora-{name}", tmp_path, EngineType.VLLM)).rank == 8
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_told_what_vllm_has(tmp_path: Path) -> None:
    with pytest.raises(UnknownDemoModelError, match=r"no demo model 'embed'.*demo://chat, demo://vision"):
        resolve_demo("embed", tmp_path, EngineType.VLLM)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"GGUF\x03\x00\x00\x00\x01"], ids=["empty", "zip", "cut"])
def test_another_file_is_no_gguf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(GgufError):
        read_gguf(path)
