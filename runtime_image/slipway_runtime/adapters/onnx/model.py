"""One embedding model: its files, its tokenizer, its session."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
import tokenizers

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.embeddings_http import Text
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.sentence_transformers import EmbeddingModel, OnnxOptions, Pooling, embedding_model

_GRAPHS: Final = ("onnx/model.onnx", "model.onnx")
_OUTPUTS: Final = ("last_hidden_state", "token_embeddings")
_SMALLEST_LENGTH: Final = 1e-12

Vectors = npt.NDArray[np.float32]


class OnnxEmbedder:
    """A loaded model. ``tokenize`` and ``embed`` block and may be called from different threads."""

    def __init__(self, folder: Path, options: OnnxOptions, *, threads: int, gpu: bool) -> None:
        self._options = options
        self.facts: EmbeddingModel = embedding_model(_read_json_files(folder), options)
        self._tokenizer = _tokenizer(folder)
        if options.auto_truncate:
            self._tokenizer.enable_truncation(self.facts.max_tokens)
        self._session = _session(_graph(folder, options), threads, gpu=gpu)
        self._inputs = {node.name for node in self._session.get_inputs()}
        outputs = [node.name for node in self._session.get_outputs()]
        self._output = next((name for name in _OUTPUTS if name in outputs), outputs[0])

    def tokenize(self, texts: Sequence[Text]) -> list[list[int]]:
        """Token ids of each text; token ids are taken as they are. Raises ApiError for what the model cannot take."""
        strings = [text for text in texts if isinstance(text, str)]
        encoded = iter(self._tokenizer.encode_batch_fast(strings)) if strings else iter(())
        sequences = [next(encoded).ids if isinstance(text, str) else text for text in texts]
        for index, sequence in enumerate(sequences):
            self._check(index, sequence)
        return sequences

    def embed(self, sequences: Sequence[list[int]]) -> Vectors:
        """One vector for each sequence, in one run."""
        longest = max(map(len, sequences))
        ids = np.full((len(sequences), longest), self.facts.pad_token, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(
            [self._output], {name: value for name, value in feed.items() if name in self._inputs}
        )
        pooled = _pool(hidden, mask, self.facts.pooling)
        return unit(pooled) if self.facts.normalize else pooled

    def _check(self, index: int, sequence: list[int]) -> None:
        limit = self.facts.max_tokens
        if len(sequence) > limit:
            message = f"input[{index}] has {len(sequence)} tokens; the model takes at most {limit}: shorten or split it"
            raise ApiError(400, message, code="context_length_exceeded", param=f"input[{index}]")
        if max(sequence) >= self.facts.vocabulary:
            message = f"input[{index}] has a token id beyond the model's vocabulary of {self.facts.vocabulary}"
            raise ApiError(400, message, param=f"input[{index}]")


def unit(vectors: Vectors) -> Vectors:
    """``vectors`` with length 1 each."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, _SMALLEST_LENGTH)
    return scaled


def _pool(hidden: Vectors, mask: npt.NDArray[np.int64], pooling: Pooling) -> Vectors:
    match pooling:
        case Pooling.CLS:
            pooled: Vectors = hidden[:, 0]
        case Pooling.LAST:
            pooled = hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1]
        case Pooling.MEAN:
            weights = mask.astype(np.float32)
            pooled = (weights[:, None, :] @ hidden)[:, 0] / weights.sum(axis=1, keepdims=True)
    return pooled


def _graph(folder: Path, options: OnnxOptions) -> Path:
    names = (options.file,) if options.file else _GRAPHS
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"the model's folder has no {' or '.join(names)}")


def _tokenizer(folder: Path) -> tokenizers.Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, "the model's folder has no tokenizer.json")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises Exception itself
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"tokenizer.json cannot be loaded: {error}") from error
    # The file may ask for the padding and truncation of its training.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _session(graph: Path, threads: int, *, gpu: bool) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    # Spinning threads would burn the container's CPU quota while they wait.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.log_severity_level = 3
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if gpu else ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(graph), settings, providers=providers)
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"{graph.name} cannot be loaded: {error}") from error


def _read_json_files(folder: Path) -> dict[str, Any]:
    found = [*folder.glob("*.json"), *folder.glob("*_Pooling/config.json")]
    skipped = ("tokenizer.json", "vocab.json")
    try:
        return {str(f.relative_to(folder)): json.loads(f.read_bytes()) for f in found if f.name not in skipped}
    except ValueError as error:
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"a JSON file in the model's folder is broken: {error}") from error
