"""The process of the llama.cpp server: ``python -m slipway_runtime.adapters.llamacpp.server CONFIG-AS-JSON``.

It ends with 0 on SIGTERM and when its standard input closes, which happens when the supervisor is gone.
"""

import os
import signal
import sys
import threading
from typing import Final

import xllamacpp

from slipway_crds.conditions import Reason
from slipway_crds.engines import Task
from slipway_runtime.domain.failure import EXIT_CODES
from slipway_runtime.domain.llamacpp import DEFAULT_CONTEXT, LlamaServerConfig

_FLASH_ATTENTION: Final = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}
_REASONING: Final = {"none": "NONE", "auto": "AUTO", "deepseek": "DEEPSEEK"}
_AS_MANY_AS_FIT: Final = -1
_UBATCH: Final = 512
_WAITING_FOR_EACH: Final = 4
_FEWEST_WAITING: Final = 16
_PROBES: Final = 4


def parameters(config: LlamaServerConfig) -> xllamacpp.CommonParams:
    """llama.cpp's parameters for ``config``."""
    params = xllamacpp.CommonParams()
    params.model.path = config.model_path
    if config.mmproj_path is not None:
        params.mmproj.path = config.mmproj_path
    params.model_alias = set(config.served_names)
    params.hostnames = [config.host]
    params.port = config.port
    params.endpoint_metrics = True
    # Slots show other callers' prompts, and nothing may be changed but through the supervisor.
    params.endpoint_slots = False
    params.ui = False
    params.cors_origins = ""  # no page of another site may call the engine from a browser
    _set_compute(params, config)
    _set_tasks(params, config)
    return params


def _set_compute(params: xllamacpp.CommonParams, config: LlamaServerConfig) -> None:
    options = config.options
    params.n_parallel = config.slots
    # A request holds a thread until it is answered, also while it waits; health and metrics must find one free.
    params.n_threads_http = config.slots + max(_FEWEST_WAITING, _WAITING_FOR_EACH * config.slots) + _PROBES
    params.n_ctx = DEFAULT_CONTEXT * config.slots if options.ctx_size is None else options.ctx_size
    at_once = params.n_ctx // config.slots if _gives_vectors(config) else _UBATCH
    params.n_ubatch = options.ubatch_size or max(at_once, _UBATCH)
    params.n_batch = max(options.batch_size, params.n_ubatch)
    params.n_predict = options.n_predict
    params.cpuparams.n_threads = options.threads or config.threads
    params.cpuparams_batch.n_threads = options.threads_batch or options.threads or config.threads
    _set_gpus(params, config)
    flash = f"LLAMA_FLASH_ATTN_TYPE_{_FLASH_ATTENTION[options.flash_attn]}"
    params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, flash)
    params.cache_type_k = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{options.cache_type_k.upper()}")
    params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{options.cache_type_v.upper()}")
    params.ctx_shift = options.context_shift
    params.verbosity = options.verbosity
    if options.mlock:
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MLOCK


def _set_gpus(params: xllamacpp.CommonParams, config: LlamaServerConfig) -> None:
    options = config.options
    # llama.cpp then finds out how many layers fit beside the context; without a GPU there is nothing to find out.
    params.fit_params = config.gpu and options.n_gpu_layers is None
    params.n_gpu_layers = (
        (_AS_MANY_AS_FIT if config.gpu else 0) if options.n_gpu_layers is None else options.n_gpu_layers
    )
    params.mmproj_use_gpu = config.gpu
    params.main_gpu = options.main_gpu
    params.split_mode = getattr(xllamacpp.llama_split_mode, f"LLAMA_SPLIT_MODE_{options.split_mode.upper()}")
    if options.tensor_split is not None:
        shares = [float(share) for share in options.tensor_split.split(",")]
        params.tensor_split = [*shares, *params.tensor_split[len(shares) :]]


def _set_tasks(params: xllamacpp.CommonParams, config: LlamaServerConfig) -> None:
    options = config.options
    params.chat_template = options.chat_template
    reasoning = f"COMMON_REASONING_FORMAT_{_REASONING[options.reasoning_format]}"
    params.reasoning_format = getattr(xllamacpp.common_reasoning_format, reasoning)
    params.embedding = _gives_vectors(config)
    pooling = options.pooling
    if pooling is None and params.embedding:
        pooling = "rank" if Task.RERANK in config.tasks else "mean"
    if pooling is not None:
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{pooling.upper()}")


def _gives_vectors(config: LlamaServerConfig) -> bool:
    return Task.EMBEDDINGS in config.tasks or Task.RERANK in config.tasks


def _end_with_the_supervisor() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


def main() -> None:
    """Serve until told to end."""
    config = LlamaServerConfig.model_validate_json(sys.argv[1])
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    try:
        server = xllamacpp.Server(parameters(config))
    except RuntimeError:
        # llama.cpp has logged why; the supervisor reads its error lines.
        sys.exit(EXIT_CODES[Reason.WEIGHTS_INVALID])
    # From here on SIGTERM ends this process in order. Before, its default action does, even inside of llama.cpp.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while server is not None:
        signal.pause()


if __name__ == "__main__":
    main()
