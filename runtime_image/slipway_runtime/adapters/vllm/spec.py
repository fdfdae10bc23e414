"""How the supervisor runs vLLM's server."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_crds.runtime_env import RuntimeEnv
from slipway_runtime.adapters.memory import usable_memory
from slipway_runtime.adapters.process_engine import Cause, ProcessSpec
from slipway_runtime.adapters.vllm.weights import (
    check_chat_template,
    check_folder,
    check_weights,
    read_adapter,
    weights_bytes,
)
from slipway_runtime.domain.vllm import Build, VllmServer, command_line, flags

_ERROR_LINE: Final = re.compile(
    r"""^(?:\(\w+\ pid=\d+\)\ )?                                        # the process
        (?:ERROR\ \S+\ \S+\ \[\S+\]\ )?                                # the log's prefix
        (?!RuntimeError:\ Engine\ core\ initialization|pydantic)          # they only point at the cause
        (?P<cause>[\w.]*(?:Error|Exception)\b.*?|\s+Value\ error,.*?|\w+\.py:\ error:.*?)
        (?:\ \[type=.*)?$                                                # pydantic's own terms
    """,
    re.VERBOSE,
)
_CAUSES: Final = (
    Cause(
        re.compile(r"do(?:es)? not support `--runner"),
        Reason.UNSUPPORTED_TASK,
        "spec.tasks asks for what this model cannot do",
    ),
    Cause(
        re.compile(
            r"memory for the cache|memory for kv|KV cache is needed|Free memory on device|can't allocate memory"
            r"|out of memory|OutOfMemoryError|MemoryError"
        ),
        Reason.OUT_OF_MEMORY,
        "raise the memory in spec.resources, or lower --max-model-len in engine.args",
    ),
    Cause(
        re.compile(
            r"SafetensorError|Cannot find any model weights|weights were not initialized|no module or parameter named"
            r"|Attempted to load weight|are not supported for now|Unrecognized model|is not a valid JSON file"
        ),
        Reason.WEIGHTS_INVALID,
    ),
    Cause(
        re.compile(r"validation errors? for \w+Config|\w\.py: error: |^\S+ ValueError: "), Reason.INVALID_CONFIGURATION
    ),
)


def describe_server(
    env: RuntimeEnv,
    build: Build,
    served_names: tuple[str, ...],
    tasks: tuple[Task, ...],
    folder: Path,
    adapters: Mapping[str, Path],
) -> VllmServer:
    """What is to be started, once everything has been fetched.

    Raises RuntimeFailure (WeightsInvalid, ChatTemplateMissing) for what vLLM would only find after a minute.
    """
    given = flags(env.engine_args)
    check_folder(folder)
    if "--load-format" not in given:
        check_weights(folder)
    if Task.CHAT in tasks and given.isdisjoint({"--chat-template", "--tokenizer", "--tokenizer-mode"}):
        check_chat_template(folder)
    return VllmServer(
        model_path=str(folder),
        weights_bytes=weights_bytes(folder),
        served_names=served_names,
        tasks=tasks,
        host=env.host,
        port=env.data_port,
        build=build,
        gpus=env.gpu_count,
        memory_bytes=usable_memory(),
        max_concurrency=env.max_concurrency,
        adapters=tuple(read_adapter(name, path) for name, path in adapters.items()),
    )


def vllm_spec(server: VllmServer, arguments: Sequence[str], connect_host: str) -> ProcessSpec:
    """The process for ``server``, reached by this one at ``connect_host``. Raises RuntimeFailure."""
    # -P: a folder named vllm where the runtime was started is not vLLM.
    module = ("-P", "-m", "slipway_runtime.adapters.vllm.server")
    return ProcessSpec(
        name="vllm",
        argv=(sys.executable, *module, *command_line(server, arguments)),
        host=connect_host,
        port=server.port,
        device=server.build,
        device_fallback=server.device_fallback,
        health_path="/health",
        metrics_path="/metrics",
        in_flight_metrics=("vllm:num_requests_running", "vllm:num_requests_waiting"),
        error_line=_ERROR_LINE,
        causes=_CAUSES,
    )
