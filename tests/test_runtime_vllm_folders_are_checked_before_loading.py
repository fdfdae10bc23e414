"""What is wrong with a model's folder is told at once, not after the minute that vLLM takes to load."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_runtime.adapters.vllm.weights import (
    check_chat_template,
    check_folder,
    check_weights,
    read_adapter,
    weights_bytes,
)
from slipway_runtime.demo import resolve_demo
from slipway_runtime.domain.failure import RuntimeFailure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(resolve_demo("chat", tmp_path / "cache", EngineType.VLLM), tmp_path / "model")


def test_a_sound_folder_passes(folder: Path) -> None:
    check_folder(folder)
    check_weights(folder)
    check_chat_template(folder)
    assert weights_bytes(folder) == (folder / "model.safetensors").stat().st_size


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def replace_by_html(folder: Path) -> None:
    (folder / "model.safetensors").write_text("<html>sign in first</html>")


def remove_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def name_a_missing_part(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"model\.safetensors is damaged: it has \d+ bytes"),
        (replace_by_html, r"model\.safetensors is not a safetensors file"),
        (remove_weights, r"the folder has no \*\.safetensors or .*; there is config\.json, "),
        (name_a_missing_part, r"names files that are not there: model-00002-of-00002\.safetensors"),
    ],
)
def test_damaged_weights_are_named(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(RuntimeFailure, match=message) as raised:
        check_weights(folder)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_a_gguf_file_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match=r"layout of the Hugging Face hub; .*\.gguf is one file") as raised:
        check_folder(resolve_demo("chat", tmp_path))
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_a_folder_without_configuration_is_no_model(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(RuntimeFailure, match=r"no config\.json; there is generation_config\.json, model") as raised:
        check_folder(folder)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_a_tokenizer_without_chat_template_cannot_chat(folder: Path) -> None:
    config = folder / "tokenizer_config.json"
    fields = json.loads(config.read_text())
    template = fields.pop("chat_template")
    config.write_text(json.dumps(fields))
    with pytest.raises(RuntimeFailure, match=r"write spec\.tasks: \[completions\], or .*--chat-template") as raised:
        check_chat_template(folder)
    assert raised.value.reason is Reason.CHAT_TEMPLATE_MISSING
    (folder / "chat_template.jinja").write_text(template)
    check_chat_template(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, r"adapter sql: it has no adapter_config\.json; there is config\.json"),
        ("{", r"adapter_config\.json is not JSON"),
        ("{}", "r in adapter_config.json is None, not a rank"),
    ],
)
def test_an_adapter_needs_its_configuration(folder: Path, config: str | None, message: str) -> None:
    if config is not None:
        (folder / "adapter_config.json").write_text(config)
    with pytest.raises(RuntimeFailure, match=message) as raised:
        read_adapter("sql", folder)
    assert raised.value.reason is Reason.WEIGHTS_INVALID


def test_an_adapters_rank_is_read(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"r": 8}')
    assert read_adapter("sql", folder).rank == 8
