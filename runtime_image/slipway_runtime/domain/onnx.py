"""The ONNX engine's arguments, which of a model's graphs it loads, and on what device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.arguments import EngineOptions
from slipway_runtime.domain.failure import RuntimeFailure

_Positive = Annotated[int, Field(ge=1)]
DtypeName = Literal["float32", "float16", "int8"]
ProviderName = Literal["auto", "cuda", "tensorrt", "cpu"]


class OnnxOptions(EngineOptions):
    """Arguments of the ONNX engine. Where text-embeddings-inference has the same, it has the same name."""

    file: str | None = None
    """The ONNX file inside the model's folder. Default: by `--dtype`."""
    dtype: DtypeName | None = None
    """Which of the model's files: `float32` (`onnx/model.onnx`), `float16` (`onnx/model_fp16.onnx` …), `int8`
    (`onnx/model_quantized.onnx` …). Default: the first there is, in this order."""
    provider: ProviderName = "auto"
    """What computes: `auto` is CUDA where the model was given GPUs, else the CPU. TensorRT compiles for minutes, anew
    for each shape of input, so it is used on request only."""
    pooling: Literal["mean", "cls", "last", "max", "splade"] | None = None
    """Default: what the model's folder says, else the mean. `splade` makes sparse embeddings with a masked-LM head."""
    normalize: bool | None = None
    """Whether embeddings have length 1. Default: what the model's folder says, else true."""
    matryoshka: bool = False
    """Embeddings may be cut to any length, although the model's folder does not say so."""
    default_prompt_name: str | None = None
    """Prompt of `config_sentence_transformers.json` to put before each text. Default: what that file says."""
    default_prompt: str | None = None
    """Words to put before each text, where no prompt is named."""
    max_tokens: _Positive | None = None
    """Longest input. Default: what the model's folder says."""
    auto_truncate: bool = False
    """Cut inputs that are too long, instead of refusing them."""
    max_batch_tokens: _Positive | None = None
    """Most tokens, padding included, in one run of the model. Default: 16384 with a GPU, 1024 without: there, more at
    once is no faster, and a run that has begun cannot be stopped."""
    max_batch_requests: _Positive | None = None
    """Most sequences in one run of the model. Default: no bound."""
    max_queue_tokens: _Positive = 1_000_000
    """Most tokens that wait; beyond it callers get a 429."""
    max_client_batch_size: _Positive = 32
    """Most inputs of one request to the paths of text-embeddings-inference."""
    payload_limit: _Positive = 2_000_000
    """Largest body, in bytes, of a request to the paths of text-embeddings-inference."""
    threads: _Positive | None = None
    """Threads that compute. Default: the CPUs this container may use."""


class Dtype(StrEnum):
    """The numbers a graph computes with."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


_STEMS: Final[Mapping[Dtype, tuple[str, ...]]] = MappingProxyType(
    {
        Dtype.FLOAT32: ("model",),
        Dtype.FLOAT16: ("model_fp16", "model_O4"),
        Dtype.INT8: (
            "model_quantized",
            "model_int8",
            "model_qint8_avx512_vnni",
            "model_qint8_avx512",
            "model_quint8_avx2",
            "model_qint8_arm64",
            "model_uint8",
        ),
    }
)
"""File names without ``.onnx``, best first, as sentence-transformers, optimum and transformers.js write them."""


def graph_names(dtype: DtypeName | None) -> tuple[str, ...]:
    """Paths inside a model's folder where a graph of ``dtype`` may lie, best first; None means any."""
    wanted = tuple(Dtype) if dtype is None else (Dtype(dtype),)
    return tuple(f"{folder}{stem}.onnx" for kind in wanted for stem in _STEMS[kind] for folder in ("onnx/", ""))


def graph_of(names: Sequence[str], options: OnnxOptions) -> str:
    """The graph to load among the files ``names`` of a model. Raises RuntimeFailure (WeightsInvalid)."""
    there = ", ".join(sorted(name for name in names if name.endswith(".onnx"))[:10])
    hint = f"it has {there}: name one by --file" if there else "it has no .onnx file: export the model to ONNX"
    if options.file is not None:
        found, wanted = options.file if options.file in names else None, options.file
    else:
        found = next((name for name in graph_names(options.dtype) if name in names), None)
        wanted = f"ONNX file of {options.dtype}" if options.dtype else "onnx/model.onnx or model.onnx"
    if found is None:
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"the model's folder has no {wanted}; {hint}")
    return found


def dtype_of(path: str) -> Dtype:
    """The numbers that the file of this name computes with, as far as the name tells."""
    stem = PurePosixPath(path).stem
    return next((dtype for dtype, stems in _STEMS.items() if stem in stems), Dtype.FLOAT32)


CPU_PROVIDER: Final = "CPUExecutionProvider"
CUDA_PROVIDER: Final = "CUDAExecutionProvider"
TENSORRT_PROVIDER: Final = "TensorrtExecutionProvider"


@dataclass(frozen=True)
class ProviderChoice:
    """What ONNX Runtime is to compute with."""

    providers: tuple[str, ...]
    """In the order of preference; the CPU is always the last."""
    fallback: str | None = None
    """Why the CPU is used although GPUs were given."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return "cpu" if self.providers == (CPU_PROVIDER,) else "cuda"

    def confirmed(self, active: Sequence[str]) -> "ProviderChoice":
        """This choice as it came out: a provider that cannot start is left out by ONNX Runtime, with a warning only."""
        started = tuple(name for name in self.providers if name in active)
        if started == self.providers or started != (CPU_PROVIDER,):
            return ProviderChoice(started, self.fallback)
        message = f"{self.providers[0]} could not be started; are the driver and CUDA's libraries in the image?"
        return ProviderChoice(started, message)


_GPU_PROVIDERS: Final[Mapping[ProviderName, tuple[str, ...]]] = MappingProxyType(
    {"auto": (CUDA_PROVIDER,), "cuda": (CUDA_PROVIDER,), "tensorrt": (TENSORRT_PROVIDER, CUDA_PROVIDER), "cpu": ()}
)


def choose_providers(available: Sequence[str], gpus: int, wanted: ProviderName) -> ProviderChoice:
    """What to compute with on a machine where ONNX Runtime has the providers ``available`` and ``gpus`` are given.

    Raises RuntimeFailure (InvalidConfiguration) when a GPU provider is asked for by name and there is no GPU.
    """
    if not gpus:
        if wanted in ("cuda", "tensorrt"):
            message = f"onnx argument --provider={wanted} needs a GPU; write resources.gpu.count"
            raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
        return ProviderChoice((CPU_PROVIDER,))
    chosen = tuple(name for name in _GPU_PROVIDERS[wanted] if name in available)
    if chosen:
        return ProviderChoice((*chosen, CPU_PROVIDER))
    message = f"this ONNX Runtime has no {' or '.join(_GPU_PROVIDERS[wanted])}; the image needs onnxruntime-gpu"
    if wanted == "cpu":
        message = "--provider=cpu asks for it"
    return ProviderChoice((CPU_PROVIDER,), message)


_MOST_WORKERS: Final = 4


def workers_for(threads: int) -> int:
    """Batches to run at the same time on ``threads`` CPUs.

    Two batches on two CPUs are done sooner than one after the other on both: a run has many short steps, and threads
    that share one wait for each other at each. With many CPUs the wait of a single request counts more.
    """
    return min(threads, _MOST_WORKERS)


@dataclass(frozen=True)
class OnnxConfig:
    """All that the ONNX engine is told."""

    served_names: tuple[str, ...]
    tasks: tuple[Task, ...]
    threads: int
    gpus: int
    max_concurrency: int
    """Requests at work at once; the runtime sees to it, callers are told it."""
    options: OnnxOptions
