"""The llama.cpp engine's arguments, under the names that ``llama-server`` has for them."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway_crds.engines import Task
from slipway_runtime.domain.arguments import EngineOptions

DEFAULT_SLOTS: Final = 4
DEFAULT_CONTEXT: Final = 4096
"""Tokens for each slot where no ``--ctx-size`` is given; llama.cpp lowers it to what the model was trained with."""

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"]
_Positive = Annotated[int, Field(ge=1)]


class LlamaCppOptions(EngineOptions):
    """Arguments of the llama.cpp engine."""

    file: str | None = None
    """The model among several .gguf files, as a name or a pattern: `*Q8_0.gguf`. Default: the only one, or the best
    known quantisation of it."""
    mmproj: str | None = None
    """The vision projector, as a name or a pattern. Default: the `mmproj*.gguf` beside the model, if there is one."""
    ctx_size: Annotated[int, Field(ge=0)] | None = None
    """Tokens of context in all, shared out evenly over the slots; 0 is what the model was trained with."""
    threads: _Positive | None = None
    """Threads for generation. Default: the CPUs this container may use."""
    threads_batch: _Positive | None = None
    """Threads for prompts. Default: as `threads`."""
    batch_size: _Positive = 2048
    """Tokens of prompts worked on at once."""
    ubatch_size: _Positive | None = None
    """Tokens computed at once. Default: 512, and for embeddings and rerank what a slot holds, since an input is then
    computed in one go."""
    n_predict: Annotated[int, Field(ge=-1)] = -1
    """Most tokens of an answer; -1 is no bound but the context."""
    n_gpu_layers: Annotated[int, Field(ge=0)] | None = None
    """Layers to keep on the GPU. Default: with a GPU as many as fit, none without."""
    split_mode: Literal["layer", "row", "none"] = "layer"
    """How several GPUs share a model: whole layers each, rows of each matrix, or all on `main-gpu`."""
    main_gpu: Annotated[int, Field(ge=0)] = 0
    """The GPU for what is not shared."""
    tensor_split: Annotated[str, Field(pattern=r"^\d+(\.\d+)?(,\d+(\.\d+)?)*$")] | None = None
    """Shares of the GPUs, `3,1` for three fourths and a fourth. Default: by free memory."""
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
    mmproj_path: str | None
    """The vision projector."""
    served_names: tuple[str, ...]
    tasks: tuple[Task, ...]
    host: str
    port: int
    slots: int
    threads: int
    gpu: bool
    options: LlamaCppOptions
