"""Which engine runs a model: the one place that names them all."""

import gc
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from slipway_crds.conditions import Reason
from slipway_crds.engines import ENGINES, EngineType, Task
from slipway_crds.runtime_env import RuntimeEnv
from slipway_runtime.adapters.concurrency import Concurrency, Refuse, refuse_in_openais_envelope
from slipway_runtime.adapters.cpus import usable_cpus
from slipway_runtime.adapters.diffusers.folder import check_pipeline_folder
from slipway_runtime.adapters.dummy.server import DummyServer
from slipway_runtime.adapters.in_process import InProcessEngine, ModelServer
from slipway_runtime.adapters.llamacpp.devices import choose_device, found_devices
from slipway_runtime.adapters.llamacpp.files import find_model
from slipway_runtime.adapters.llamacpp.gguf import read_header
from slipway_runtime.adapters.llamacpp.spec import llamacpp_spec
from slipway_runtime.adapters.process_engine import ProcessEngine
from slipway_runtime.adapters.tracing import request_spans, traces_endpoint
from slipway_runtime.adapters.vllm.installation import installed_build
from slipway_runtime.adapters.vllm.spec import describe_server, vllm_spec
from slipway_runtime.domain.arguments import parse_arguments
from slipway_runtime.domain.dummy import DEFAULT_SLOTS as DUMMY_SLOTS
from slipway_runtime.domain.dummy import DummyOptions
from slipway_runtime.domain.engine import Engine
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.gguf import check_model
from slipway_runtime.domain.images_options import DiffusersOptions
from slipway_runtime.domain.llamacpp import DEFAULT_SLOTS, LlamaCppOptions, LlamaServerConfig
from slipway_runtime.domain.onnx import OnnxConfig, OnnxOptions
from slipway_runtime.domain.vllm import check_arguments, check_build
from slipway_runtime.domain.weights import Weights

BATCHED_REQUESTS = 512
"""Requests at once for an engine that batches them itself, where the deployment gives no number."""
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
MakeEngine = Callable[[Weights], Engine]


def engine_maker(env: RuntimeEnv) -> MakeEngine:
    """How to make the engine that ``env`` asks for.

    Arguments are checked here, before any weights are fetched. Raises RuntimeFailure (InvalidConfiguration,
    EngineNotAvailable).
    """
    maker = _MAKERS.get(env.engine)
    if maker is None:
        message = f"this runtime has no engine {env.engine}; it has {', '.join(_MAKERS)}"
        raise RuntimeFailure(Reason.ENGINE_NOT_AVAILABLE, message)
    return maker(env)


def served_names(env: RuntimeEnv) -> tuple[str, ...]:
    """The names callers use."""
    return env.served_names or (env.model_name,)


def connect_host(env: RuntimeEnv) -> str:
    """The address by which this process reaches its own data port."""
    return _ANY_ADDRESS.get(env.host, env.host)


def tasks(env: RuntimeEnv) -> tuple[Task, ...]:
    """What callers may ask."""
    return env.tasks or ENGINES[env.engine].default_tasks


def _dummy(env: RuntimeEnv) -> MakeEngine:
    options = parse_arguments("dummy", env.engine_args, DummyOptions)

    def make(_: Weights) -> Engine:
        bound = Concurrency.of(env.max_concurrency or DUMMY_SLOTS)
        return _in_process(env, DummyServer(options, served_names(env)), bound)

    return make


def _llamacpp(env: RuntimeEnv) -> MakeEngine:
    options = parse_arguments("llamacpp", env.engine_args, LlamaCppOptions)
    _require("xllamacpp", env)

    def make(weights: Weights) -> Engine:
        files = find_model(_needed(weights, env), options)
        check_model(read_header(files.model), tasks(env), options.chat_template)
        device = choose_device(env.gpu_count, options.n_gpu_layers, found_devices() if env.gpu_count else ())
        config = LlamaServerConfig(
            model_path=str(files.model),
            mmproj_path=None if files.projector is None else str(files.projector),
            served_names=served_names(env),
            tasks=tasks(env),
            host=env.host,
            port=env.data_port,
            slots=env.max_concurrency or DEFAULT_SLOTS,
            threads=usable_cpus(),
            gpu=device.name == "cuda",
            options=options,
        )
        return ProcessEngine(llamacpp_spec(config, connect_host(env), device))

    return make


def _onnx(env: RuntimeEnv) -> MakeEngine:
    options = parse_arguments("onnx", env.engine_args, OnnxOptions)
    _require("onnxruntime", env)

    def make(weights: Weights) -> Engine:
        # Its libraries are part of the ONNX runtime only.
        from slipway_runtime.adapters.onnx.server import OnnxServer
        from slipway_runtime.adapters.onnx.tei_api import refuse_when_full

        # Requests leave next to no cycles behind; to look for them as often as Python does is a fifth of their cost.
        gc.set_threshold(10_000, 20, 100)
        config = OnnxConfig(
            served_names=served_names(env),
            tasks=tasks(env),
            threads=options.threads or usable_cpus(),
            gpus=env.gpu_count,
            max_concurrency=env.max_concurrency or BATCHED_REQUESTS,
            options=options,
        )
        server = OnnxServer(_needed(weights, env), config)
        bound = Concurrency.of(config.max_concurrency)
        return _in_process(env, server, bound, refuse_when_full)

    return make


def _diffusers(env: RuntimeEnv) -> MakeEngine:
    options = parse_arguments("diffusers", env.engine_args, DiffusersOptions)
    _require("diffusers", env)

    def make(weights: Weights) -> Engine:
        folder = _needed(weights, env)
        check_pipeline_folder(folder, allow_pickle=options.allow_pickle)
        # PyTorch reads it when it is imported. Threads that spin while they wait burn the container's CPU quota.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        # Its libraries are part of the diffusers runtime only.
        from slipway_runtime.adapters.diffusers.server import DiffusersServer

        threads = options.threads or usable_cpus()
        server = DiffusersServer(folder, options, served_names(env), gpu_count=env.gpu_count, threads=threads)
        # While one run is on its way, requests for the next gather.
        bound = Concurrency(env.max_concurrency or 2 * options.max_batch, options.max_queue)
        return _in_process(env, server, bound)

    return make


def _vllm(env: RuntimeEnv) -> MakeEngine:
    check_arguments(env.engine_args, tasks(env))
    build = check_build(installed_build(), env.gpu_count)

    def make(weights: Weights) -> Engine:
        names, folder = served_names(env), _needed(weights, env)
        server = describe_server(env, build, names, tasks(env), folder, weights.adapters)
        server = replace(server, traces_endpoint=traces_endpoint(os.environ))
        return ProcessEngine(vllm_spec(server, env.engine_args, connect_host(env)))

    return make


def _in_process(
    env: RuntimeEnv, server: ModelServer, bound: Concurrency, refuse: Refuse = refuse_in_openais_envelope
) -> Engine:
    attributes = {"gen_ai.provider.name": env.engine.value, "gen_ai.request.model": served_names(env)[0]}
    spans = request_spans(os.environ, attributes)
    return InProcessEngine(server, env.host, env.data_port, bound, refuse, spans)


def _require(package: str, env: RuntimeEnv) -> None:
    # Not imported: only the engine's own process needs it in memory.
    if importlib.util.find_spec(package) is None:
        message = f"this installation lacks the {env.engine} engine; install slipway[runtime-{env.engine}]"
        raise RuntimeFailure(Reason.ENGINE_NOT_AVAILABLE, message)


def _needed(weights: Weights, env: RuntimeEnv) -> Path:
    if weights.model is None:
        message = f"the {env.engine} engine needs weights; {env.model_source} has none"
        raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
    return weights.model


_MAKERS: Mapping[EngineType, Callable[[RuntimeEnv], MakeEngine]] = {
    EngineType.DUMMY: _dummy,
    EngineType.LLAMACPP: _llamacpp,
    EngineType.ONNX: _onnx,
    EngineType.DIFFUSERS: _diffusers,
    EngineType.VLLM: _vllm,
}
