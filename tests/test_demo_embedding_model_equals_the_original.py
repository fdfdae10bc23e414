"""The ONNX file written without torch gives the vectors of the original model in PyTorch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from slipway_runtime.demo import resolve_demo

REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_reference.json").read_text(encoding="utf-8"))
TEXTS = [row["text"] for row in REFERENCE]
VECTORS = np.array([row["vector"] for row in REFERENCE], np.float32)


class Embedder:
    """Tokenise, run, pool by mean and normalise, as the folder's own configuration says."""

    def __init__(self, folder: Path) -> None:
        limits = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(limits["max_seq_length"])
        self._tokenizer.enable_padding()
        self._session = onnxruntime.InferenceSession(folder / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> NDArray[Any]:
        encodings = self._tokenizer.encode_batch(list(texts))
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = np.asarray(self._session.run(["last_hidden_state"], feed)[0])
        summed: NDArray[Any] = (hidden * mask[:, :, None]).sum(axis=1)
        normalised: NDArray[Any] = np.divide(summed, np.linalg.norm(summed, axis=1, keepdims=True))
        return normalised


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return Embedder(resolve_demo("embed", tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("row", range(len(TEXTS)))
def test_single_text_has_the_original_vector(embedder: Embedder, row: int) -> None:
    cosine = float(embedder.embed([TEXTS[row]])[0] @ VECTORS[row])
    assert cosine > 0.9999, f"cosine {cosine} for {TEXTS[row]!r}"


def test_padding_in_a_batch_changes_no_vector(embedder: Embedder) -> None:
    cosines = (embedder.embed(TEXTS) * VECTORS).sum(axis=1)
    assert cosines.min() > 0.9999, f"cosines {cosines}"
