"""What the files of a sentence-transformers folder say about turning token vectors into an embedding."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from slipway_crds.conditions import Reason
from slipway_runtime.domain.arguments import EngineOptions
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.openai import ApiError


class Pooling(StrEnum):
    """How one vector comes from many."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"


class OnnxOptions(EngineOptions):
    """Arguments of the ONNX engine."""

    file: str | None = None
    """The ONNX file inside the model's folder. Default: `onnx/model.onnx`, else `model.onnx`."""
    pooling: Literal["mean", "cls", "last"] | None = None
    """Default: what the model's folder says, else the mean."""
    normalize: bool | None = None
    """Whether embeddings have length 1. Default: what the model's folder says, else true."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest input. Default: what the model's folder says."""
    auto_truncate: bool = False
    """Cut inputs that are too long, instead of refusing them."""
    max_batch_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens, padding included, in one run of the model. Default: 16384 with a GPU, 1024 without: there, more at
    once is no faster, and a run that has begun cannot be stopped."""
    max_queue_tokens: Annotated[int, Field(ge=1)] = 1_000_000
    """Most tokens that wait; beyond it callers get a 503."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Threads for one run. Default: the CPUs this container may use."""


@dataclass(frozen=True)
class EmbeddingModel:
    """How to use one model."""

    max_tokens: int
    dimensions: int
    vocabulary: int
    pad_token: int
    pooling: Pooling
    normalize: bool
    matryoshka: frozenset[int] | None
    """Lengths to which embeddings may be cut; None means any, empty means none."""

    def check_dimensions(self, asked: object) -> int | None:
        """The length to cut embeddings to, None for their own. Raises ApiError when the model was not made for it."""
        if asked is None or asked == self.dimensions:
            return None
        if type(asked) is not int or not 0 < asked < self.dimensions:
            message = f"dimensions must be a whole number from 1 to {self.dimensions}"
            raise ApiError(400, message, param="dimensions")
        if self.matryoshka is not None and asked not in self.matryoshka:
            possible = ", ".join(map(str, sorted({*self.matryoshka, self.dimensions})))
            message = f"this model's embeddings cannot be cut to {asked} dimensions; possible: {possible}"
            raise ApiError(400, message, param="dimensions")
        return asked


def embedding_model(files: Mapping[str, Any], options: OnnxOptions) -> EmbeddingModel:
    """The model that ``files`` (path in the folder → parsed JSON) describe, changed by ``options``.

    The layout is that of sentence-transformers: ``config.json`` of the transformer, ``modules.json`` with its steps.
    Raises RuntimeFailure (WeightsInvalid) for steps that this engine cannot do.
    """
    config = files.get("config.json")
    if not isinstance(config, dict):
        raise _invalid("the model's folder has no config.json")
    if absent := [name for name in ("hidden_size", "vocab_size") if name not in config]:
        raise _invalid(f"config.json of the model's folder lacks {', '.join(absent)}")
    pooling, normalize = _steps(files)
    positions = int(config.get("max_position_embeddings", 512))
    limit = (files.get("sentence_bert_config.json") or {}).get("max_seq_length") or positions
    return EmbeddingModel(
        max_tokens=min(options.max_tokens or int(limit), positions),
        dimensions=int(config["hidden_size"]),
        vocabulary=int(config["vocab_size"]),
        pad_token=int(config.get("pad_token_id") or 0),
        pooling=Pooling(options.pooling) if options.pooling else pooling,
        normalize=normalize if options.normalize is None else options.normalize,
        matryoshka=_matryoshka(config),
    )


def _steps(files: Mapping[str, Any]) -> tuple[Pooling, bool]:
    modules = files.get("modules.json")
    if not isinstance(modules, list):
        return Pooling.MEAN, True
    pooling, normalize = Pooling.MEAN, False
    for module in modules:
        kind, path = str(module["type"]).rpartition(".")[2], str(module["path"])
        match kind:
            case "Transformer":
                pass
            case "Pooling":
                pooling = _pooling(files.get(f"{path}/config.json") or {})
            case "Normalize":
                normalize = True
            case _:
                raise _invalid(f"modules.json has the step {kind}; this engine knows Transformer, Pooling, Normalize")
    return pooling, normalize


_POOLING_FLAGS = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_lasttoken": Pooling.LAST,
}


def _pooling(config: Mapping[str, Any]) -> Pooling:
    named = config.get("pooling_mode")
    if isinstance(named, str):
        if named in ("mean", "cls", "lasttoken"):
            return Pooling(named.removesuffix("token"))
        raise _invalid(f"the pooling {named!r} is not known to this engine; it knows mean, cls, lasttoken")
    chosen = [flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on is True]
    if len(chosen) != 1 or chosen[0] not in _POOLING_FLAGS:
        raise _invalid(f"the pooling {chosen} is not known to this engine; it knows one of {list(_POOLING_FLAGS)}")
    return _POOLING_FLAGS[chosen[0]]


def _matryoshka(config: Mapping[str, Any]) -> frozenset[int] | None:
    lengths = config.get("matryoshka_dimensions")
    if isinstance(lengths, list):
        return frozenset(map(int, lengths))
    return None if config.get("is_matryoshka") is True else frozenset()


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.WEIGHTS_INVALID, message)
