"""One text model: its files, its tokenizer, its graph."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.onnx.session import Floats, Graph, Integers
from slipway_runtime.adapters.onnx.tokenizer import Row, TextTokenizer
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.onnx import OnnxOptions, ProviderChoice
from slipway_runtime.domain.sentence_transformers import Pooling, TextModel, text_model
from slipway_runtime.domain.text_model import Kind

_SMALLEST_LENGTH: Final = 1e-12
_FAR_BELOW: Final = np.float32(-3e38)


class OnnxModel:
    """A loaded model. The tokenizer and ``run`` may be used from different threads, each from one."""

    def __init__(self, folder: Path, options: OnnxOptions, *, threads: int, providers: ProviderChoice) -> None:
        self.facts: TextModel = text_model(_read_json_files(folder), options)
        self.tokenizer = TextTokenizer(folder, self.facts)
        self.graph = Graph(folder, options, self.facts.head, threads=threads, providers=providers)

    def run(self, rows: Sequence[Row]) -> list[Floats]:
        """What the model makes of each row, in one run: an embedding, the logits of the labels, or the weights of the
        vocabulary; of a row that wants it, the vectors of its tokens.
        """
        ids, mask, types = self._pad(rows)
        output = self.graph.run(ids, mask, types)
        if self.facts.head.kind is Kind.SPARSE:
            return [_splade(output[n], len(row)) for n, row in enumerate(rows)]
        if self.facts.head.kind is not Kind.EMBEDDING or self.graph.pools:
            return list(output)
        pooled = _pool(output, mask, self.facts.pooling)
        # Copied, since a slice would keep the whole batch in memory.
        return [output[n, : len(row)].copy() if row.by_token else pooled[n] for n, row in enumerate(rows)]

    def _pad(self, rows: Sequence[Row]) -> tuple[Integers, Integers, Integers]:
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self.facts.pad_token, dtype=np.int64)
        mask = np.zeros_like(ids)
        types = np.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row.ids
            mask[index, : len(row)] = 1
            if row.types is not None:
                types[index, : len(row)] = row.types
        return ids, mask, types


def unit(vectors: Floats) -> Floats:
    """``vectors`` with length 1 each."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = vectors / np.maximum(lengths, _SMALLEST_LENGTH)
    return scaled


def _pool(hidden: Floats, mask: Integers, pooling: Pooling) -> Floats:
    match pooling:
        case Pooling.CLS:
            pooled: Floats = hidden[:, 0]
        case Pooling.LAST:
            pooled = hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1]
        case Pooling.MAX:
            pooled = np.where(mask[:, :, None] == 1, hidden, _FAR_BELOW).max(axis=1)
        case _:
            weights = mask.astype(np.float32)
            pooled = (weights[:, None, :] @ hidden)[:, 0] / weights.sum(axis=1, keepdims=True)
    return pooled


def _splade(logits: Floats, length: int) -> Floats:
    # "SPLADE v2: Sparse Lexical and Expansion Model for Information Retrieval", equation 6. The logarithm does not
    # change which is the largest, so it is taken last: there is one row of the vocabulary for it then.
    weights: Floats = np.log1p(np.maximum(logits[:length].max(axis=0), 0))
    return weights


def _read_json_files(folder: Path) -> dict[str, Any]:
    found = [*folder.glob("*.json"), *folder.glob("*_*/config.json")]
    skipped = ("tokenizer.json", "vocab.json")
    try:
        return {f.relative_to(folder).as_posix(): json.loads(f.read_bytes()) for f in found if f.name not in skipped}
    except ValueError as error:
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"a JSON file in the model's folder is broken: {error}") from error
