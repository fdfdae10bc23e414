"""`demo://NAME` becomes the path of a model that works offline."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import onnx
import pytest

from slipway_runtime.demo import UnknownDemoModelError, resolve_demo
from slipway_runtime.demo.embed_onnx import EmbeddingModelError, minilm_source, write_embedding_model


def test_chat_is_a_gguf_file_of_at_most_8_megabytes(tmp_path: Path) -> None:
    path = resolve_demo("chat", tmp_path)
    with path.open("rb") as file:
        assert file.read(4) == b"GGUF"
    assert path.stat().st_size <= 8_000_000


def test_embed_is_a_sentence_transformers_folder_below_the_cache(tmp_path: Path) -> None:
    folder = resolve_demo("embed", tmp_path)
    assert folder.parent == tmp_path
    onnx.checker.check_model(folder / "onnx" / "model.onnx", full_check=True)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Normalize"]
    missing = [module["path"] for module in modules if not (folder / module["path"]).is_dir()]
    assert missing == []
    assert (folder / "tokenizer.json").is_file()


@pytest.mark.parametrize("name", ["rerank", "classify", "sparse"])
def test_the_models_of_single_words_are_small_and_valid(tmp_path: Path, name: str) -> None:
    model = resolve_demo(name, tmp_path) / "onnx" / "model.onnx"
    onnx.checker.check_model(model, full_check=True)
    assert model.stat().st_size < 5_000_000
    assert resolve_demo(name, tmp_path / "again").joinpath("onnx/model.onnx").read_bytes() == model.read_bytes()


def test_a_model_written_before_is_used_again(tmp_path: Path) -> None:
    model = resolve_demo("embed", tmp_path) / "onnx" / "model.onnx"
    before = model.stat()
    resolve_demo("embed", tmp_path)
    assert (model.stat().st_ino, model.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_two_processes_at_once_get_one_complete_model(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        folders = set(pool.map(resolve_demo, ["embed", "embed"], [tmp_path, tmp_path]))
    assert [path.name for path in tmp_path.iterdir()] == [folder.name for folder in folders]
    onnx.checker.check_model(folders.pop() / "onnx" / "model.onnx")


def test_unknown_name_is_told_which_names_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownDemoModelError, match=r"no demo model 'caht'.*demo://chat, demo://embed"):
        resolve_demo("caht", tmp_path)


def test_source_without_weights_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(EmbeddingModelError, match=r"it lacks config\.json, .*model\.safetensors"):
        write_embedding_model(tmp_path / "source", tmp_path / "cache" / "model")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta', only 'bert'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu', only 'gelu'"),
        ({"num_hidden_layers": 7}, r"lacks the tensor 'encoder\.layer\.6\."),
    ],
)
def test_source_that_is_another_architecture_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    source = shutil.copytree(minilm_source(), tmp_path / "source", copy_function=os.symlink)
    config = source / "config.json"
    fields = json.loads(config.read_text(encoding="utf-8"))
    config.unlink()
    config.write_text(json.dumps(fields | change), encoding="utf-8")
    with pytest.raises(EmbeddingModelError, match=message):
        write_embedding_model(source, tmp_path / "target")
