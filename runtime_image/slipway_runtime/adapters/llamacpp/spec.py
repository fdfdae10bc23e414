"""How the supervisor runs the llama.cpp server."""

import re
import sys

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.llamacpp.devices import Device
from slipway_runtime.adapters.process_engine import Cause, ProcessSpec
from slipway_runtime.domain.failure import EXIT_CODES
from slipway_runtime.domain.llamacpp import LlamaServerConfig

# llama.cpp marks errors with a letter after the time: "0.00.003.645 E llama_model_load: …". Those left out only say
# that what came before has failed.
_ERROR = re.compile(r"^\S+ E (?!cmn |srv |common_fit_params|llama_model_load_from_file_impl)\s*(?P<cause>.+)")
_NO_MEMORY = re.compile(r"insufficient memory|out of memory|failed to allocate|unable to allocate|std::bad_alloc")
_LESS = "lower --ctx-size in engine.args or routing.maxConcurrency, or raise resources.limits.memory"


def llamacpp_spec(config: LlamaServerConfig, connect_host: str, device: Device) -> ProcessSpec:
    """The process for ``config`` on ``device``, reached by this one at ``connect_host``."""
    return ProcessSpec(
        name="llamacpp",
        argv=(sys.executable, "-m", "slipway_runtime.adapters.llamacpp.server", config.model_dump_json()),
        host=connect_host,
        port=config.port,
        device=device.name,
        device_fallback=device.fallback,
        health_path="/health",
        metrics_path="/metrics",
        in_flight_metrics=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
        error_line=_ERROR,
        causes=(Cause(_NO_MEMORY, Reason.OUT_OF_MEMORY, _LESS),),
        exit_reasons={EXIT_CODES[Reason.WEIGHTS_INVALID]: Reason.WEIGHTS_INVALID},
    )
