"""Write ``demo://rerank``, ``demo://classify`` and ``demo://sparse``: ONNX folders of about 4 MB, without torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx
import tokenizers
from safetensors import SafetensorError

from slipway_runtime.demo.embed_onnx import MODEL_FILE, WEIGHTS_FILE, EmbeddingModelError
from slipway_runtime.demo.folders import write_once
from slipway_runtime.demo.word_graphs import classify_graph, rerank_graph, sparse_graph
from slipway_runtime.demo.word_table import DIMENSIONS, WordTable, word_table

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "negative": "bad awful terrible horrible worst hate hated sad boring poor disappointing broken useless angry",
        "positive": "good great excellent wonderful best love loved happy brilliant amazing delightful perfect enjoyed",
    }
)
"""The labels of ``demo://classify``, and the words that stand for each."""
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_MAX_TOKENS = 512

Tokenizer = tokenizers.Tokenizer


def write_word_model(name: str, source: Path, target: Path) -> Path:
    """Write the model ``name`` to the folder ``target``, from all-MiniLM-L6-v2 in ``source``; return ``target``.

    A folder that is complete is left as it is. Raises EmbeddingModelError for a source that is something else, and
    OSError when the target cannot be written.
    """
    return write_once(target, MODEL_FILE, partial(_write, WORD_MODELS[name], source))


def _write(make: Callable[[WordTable, Tokenizer, Path], onnx.ModelProto], source: Path, draft: Path) -> None:
    try:
        table = word_table(source / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise EmbeddingModelError(f"{source / WEIGHTS_FILE} cannot be read: {error}") from error
    for file in _TOKENIZER_FILES:
        if (source / file).is_file():
            shutil.copyfile(source / file, draft / file)
    tokenizer = Tokenizer.from_file(str(draft / "tokenizer.json"))
    (draft / MODEL_FILE).parent.mkdir()
    onnx.save(make(table, tokenizer, draft), draft / MODEL_FILE)


def _rerank(table: WordTable, _: Tokenizer, draft: Path) -> onnx.ModelProto:
    _config(draft, table, "BertForSequenceClassification", id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})
    return rerank_graph(table)


def _classify(table: WordTable, tokenizer: Tokenizer, draft: Path) -> onnx.ModelProto:
    names = list(LABELS)
    by_id = {str(index): name for index, name in enumerate(names)}
    by_name = {name: index for index, name in enumerate(names)}
    _config(draft, table, "BertForSequenceClassification", id2label=by_id, label2id=by_name)
    return classify_graph(table, [tokenizer.encode(LABELS[name], add_special_tokens=False).ids for name in names])


def _sparse(table: WordTable, _: Tokenizer, draft: Path) -> onnx.ModelProto:
    _config(draft, table, "BertForMaskedLM")
    steps = ("MLMTransformer", ""), ("SpladePooling", "1_SpladePooling")
    package = "sentence_transformers.sparse_encoder.models"
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"{package}.{kind}"} for n, (kind, path) in enumerate(steps)
    ]
    _dump(draft / "modules.json", modules)
    (draft / "1_SpladePooling").mkdir()
    _dump(draft / "1_SpladePooling/config.json", {"pooling_strategy": "max", "activation_function": "relu"})
    return sparse_graph(table)


def _config(draft: Path, table: WordTable, architecture: str, **more: Any) -> None:
    fields = {
        "architectures": [architecture],
        "hidden_size": DIMENSIONS,
        "max_position_embeddings": _MAX_TOKENS,
        "model_type": "bert",
        "pad_token_id": 0,
        "vocab_size": len(table.weights),
    }
    _dump(draft / "config.json", fields | more)


def _dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


WORD_MODELS: Mapping[str, Callable[[WordTable, Tokenizer, Path], onnx.ModelProto]] = MappingProxyType(
    {"rerank": _rerank, "classify": _classify, "sparse": _sparse}
)
"""By name in ``demo://NAME``."""
