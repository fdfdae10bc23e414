"""The llama.cpp engine's arguments, under the names that ``llama-server`` has for them."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.arguments import EngineOptions
from slipway_runtime.domain.failure import RuntimeFailure

DEFAULT_SLOTS: Final = 4
DEFAULT_CONTEXT: Final = 4096
"""Tokens for each slot where no ``--ctx-size`` is given; llama.cpp lowers it to what the model was trained with."""
_PART: Final = re.compile(r"^(?P<stem>.+)-(?P<number>\d+)-of-(?P<count>\d+)\.gguf$")

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"]
_Positive = Annotated[int, Field(ge=1)]


class LlamaCppOptions(EngineOptions):
    """Arguments of the llama.cpp engine."""

    ctx_size: Annotated[int, Field(ge=0)] | None = None
    """Tokens of context in all, shared out evenly over the slots; 0 is what the model was trained with."""
    threads: _Positive | None = None
    """Threads for generation. Default: the CPUs this container may use."""
    threads_batch: _Positive | None = None
    """Threads for prompts. Default: as `threads`."""
    batch_size: _Positive = 2048
    """Tokens of prompts worked on at once."""
    ubatch_size: _Positive = 512
    """Tokens computed at once."""
    n_predict: Annotated[int, Field(ge=-1)] = -1
    """Most tokens of an answer; -1 is no bound but the context."""
    n_gpu_layers: Annotated[int, Field(ge=0)] | None = None
    """Layers to keep on the GPU. Default: all with a GPU, none without."""
    flash_attn: Literal["auto", "on", "off"] = "auto"
    """Flash attention."""
    cache_type_k: CacheType = "f16"
    """Type of the cached keys."""
    cache_type_v: CacheType = "f16"
    """Type of the cached values."""
    pooling: Literal["none", "mean", "cls", "last", "rank"] | None = None
    """How embeddings come from tokens. Default: what the model says, else the mean."""
    chat_template: str = ""
    """Jinja template, or the name of a built-in one. Default: the model's own."""
    reasoning_format: Literal["none", "auto", "deepseek"] = "deepseek"
    """Whether thoughts go into `reasoning_content`."""
    context_shift: bool = False
    """Whether an answer may go on beyond the context by forgetting its beginning."""
    mlock: bool = False
    """Keep the weights in memory."""
    verbosity: Annotated[int, Field(ge=0, le=5)] = 2
    """0 silent, 1 errors, 2 warnings, 3 information, more for debugging."""


class LlamaServerConfig(BaseModel):
    """All that the process of the llama.cpp server is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_path: str
    served_names: tuple[str, ...]
    tasks: tuple[Task, ...]
    host: str
    port: int
    slots: int
    threads: int
    gpu: bool
    options: LlamaCppOptions


def choose_gguf(names: Sequence[str]) -> str:
    """The file to load among ``names``: the only GGUF, or the first part of the only one that is split.

    Raises RuntimeFailure (WeightsInvalid, InvalidConfiguration) that lists what there is.
    """
    found = sorted(name for name in names if name.endswith(".gguf"))
    whole = [name for name in found if (part := _PART.match(name)) is None or int(part["number"]) == 1]
    if len(whole) == 1:
        return whole[0]
    if not whole:
        some = ", ".join(sorted(names)[:10]) or "nothing"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"the llamacpp engine needs a .gguf file; the source has {some}")
    message = f"the source has several .gguf files; name one at the end of model.source: {', '.join(whole)}"
    raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)


def parts_of(first: str, names: Sequence[str]) -> tuple[str, ...]:
    """``first`` and, when it is the first part of a split file, the other parts among ``names``."""
    part = _PART.match(first)
    if part is None:
        return (first,)
    found = ((name, _PART.match(name)) for name in sorted(names))
    return tuple(name for name, other in found if other and other.group("stem", "count") == part.group("stem", "count"))
