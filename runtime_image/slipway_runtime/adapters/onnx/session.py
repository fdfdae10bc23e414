"""ONNX Runtime's session of one graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.onnx import CPU_PROVIDER, OnnxOptions, ProviderChoice, dtype_of, graph_of, workers_for
from slipway_runtime.domain.text_model import Head, Kind

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_KNOWN_INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
_BY_TOKEN: Final = ("last_hidden_state", "token_embeddings")
_RANK_OF_POOLED: Final = 2
_SLOW_FUSIONS_ON_CPU: Final = ("SkipLayerNormFusion",)
"""ONNX Runtime's optimizers that cost time: its SkipLayerNormalization takes four times as long on a CPU as the Add and
the LayerNormalization that it replaces, an eighth of the whole run of a BERT model in float32 (ONNX Runtime 1.31)."""


class Graph:
    """A loaded graph: the inputs it wants, and its one output that matters."""

    def __init__(
        self, folder: Path, options: OnnxOptions, head: Head, *, threads: int, providers: ProviderChoice
    ) -> None:
        path = _find(folder, options)
        self.dtype = dtype_of(path.name)
        self._session = _session(path, threads, providers.providers)
        self.providers = providers.confirmed(self._session.get_providers())
        self._inputs = {node.name for node in self._session.get_inputs()}
        if unknown := sorted(self._inputs - _KNOWN_INPUTS):
            message = f"{path.name} wants {', '.join(unknown)}; this engine gives {', '.join(sorted(_KNOWN_INPUTS))}"
            raise RuntimeFailure(Reason.WEIGHTS_INVALID, message)
        self._output = _output(path, {node.name: node.shape for node in self._session.get_outputs()}, head)
        shape = next(node.shape for node in self._session.get_outputs() if node.name == self._output)
        self.pools = head.kind is Kind.EMBEDDING and len(shape) == _RANK_OF_POOLED
        """Whether the graph's output is one vector for each row, not one for each token."""

    def run(self, ids: Integers, mask: Integers, types: Integers) -> Floats:
        """The output for rows of token ids, padded to one length."""
        feed: Mapping[str, Any] = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        if "position_ids" in self._inputs:
            feed = {**feed, "position_ids": np.maximum(mask.cumsum(axis=1) - 1, 0)}
        (output,) = self._session.run(
            [self._output], {name: value for name, value in feed.items() if name in self._inputs}
        )
        values: Floats = output if output.dtype == np.float32 else output.astype(np.float32)
        return values


def available_providers() -> list[str]:
    """The execution providers that this build of ONNX Runtime has."""
    names: list[str] = onnxruntime.get_available_providers()
    return names


def _find(folder: Path, options: OnnxOptions) -> Path:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx")]
    return folder / graph_of(names, options)


def _output(path: Path, shapes: Mapping[str, Sequence[object]], head: Head) -> str:
    if head.kind is Kind.EMBEDDING:
        by_token = next((name for name in _BY_TOKEN if name in shapes), None)
        return by_token or ("sentence_embedding" if "sentence_embedding" in shapes else next(iter(shapes)))
    if "logits" not in shapes:
        message = f"config.json says {head.kind}, but {path.name} has no output logits; it has {', '.join(shapes)}"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, message)
    return "logits"


def _session(path: Path, threads: int, providers: Sequence[str]) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    # Of the threads, those that run batches count for themselves; the others help any of them.
    settings.intra_op_num_threads = (
        threads - workers_for(threads) + 1 if tuple(providers) == (CPU_PROVIDER,) else threads
    )
    # Spinning threads would burn the container's CPU quota while they wait.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path),
            settings,
            providers=list(providers),
            disabled_optimizers=_SLOW_FUSIONS_ON_CPU if tuple(providers) == (CPU_PROVIDER,) else None,
        )
    except Exception as error:  # onnxruntime's exceptions have no common base of their own
        if providers[0] != CPU_PROVIDER and "provider" in str(error).lower():
            return _session(path, threads, (CPU_PROVIDER,))
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"{path.name} cannot be loaded: {error}") from error
