"""What single words mean: the vectors behind ``demo://rerank``, ``demo://classify`` and ``demo://sparse``.

They are the word embeddings of all-MiniLM-L6-v2, reduced to the directions in which they differ most. Words that are
used alike lie close together, which is all that those models know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from slipway_runtime.demo.bert_graph import Array

DIMENSIONS = 64
FIRST_WORD = 1996
"""In BERT's uncased vocabulary: below are special tokens, single characters and signs."""
_RARE_AFTER = 6000
_LEAST_WEIGHT = 0.02
_TENSOR = "embeddings.word_embeddings.weight"


@dataclass(frozen=True)
class WordTable:
    """Rows by token id."""

    vectors: Array
    """(vocabulary, DIMENSIONS), float32, of length 1; zero for what is no word."""
    weights: Array
    """(vocabulary,), float32, 0 to 1: how much a word says. The vocabulary is sorted by frequency, and what is
    frequent says little."""


def word_table(weights_file: Path) -> WordTable:
    """The table made from MiniLM's safetensors file. Raises OSError and SafetensorError."""
    with safe_open(weights_file, framework="numpy") as tensors:
        embeddings = tensors.get_tensor(_TENSOR)
    words = embeddings[FIRST_WORD:]
    centred = embeddings - words.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(centred[FIRST_WORD:].T))
    reduced = centred @ directions[:, -DIMENSIONS:]
    vectors = reduced / np.linalg.norm(reduced, axis=1, keepdims=True)
    vectors[:FIRST_WORD] = 0
    rank = np.arange(len(embeddings)) - FIRST_WORD
    weights = np.sqrt(np.clip(rank / _RARE_AFTER, _LEAST_WEIGHT**2, 1))
    weights[:FIRST_WORD] = 0
    return WordTable(vectors.astype(np.float32), weights.astype(np.float32))
