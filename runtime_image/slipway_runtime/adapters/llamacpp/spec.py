"""How the supervisor runs the llama.cpp server."""

import re
import sys
from pathlib import Path

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.process_engine import ProcessSpec
from slipway_runtime.domain.failure import EXIT_CODES
from slipway_runtime.domain.llamacpp import LlamaServerConfig, choose_gguf


def find_gguf(weights: Path) -> Path:
    """The GGUF file at or below ``weights``. Raises RuntimeFailure."""
    if weights.is_file():
        return weights
    return weights / choose_gguf([str(path.relative_to(weights)) for path in weights.rglob("*") if path.is_file()])


def llamacpp_spec(config: LlamaServerConfig, connect_host: str) -> ProcessSpec:
    """The process for ``config``, reached by this one at ``connect_host``."""
    return ProcessSpec(
        name="llamacpp",
        argv=(sys.executable, "-m", "slipway_runtime.adapters.llamacpp.server", config.model_dump_json()),
        host=connect_host,
        port=config.port,
        device="cuda" if config.gpu else "cpu",
        health_path="/health",
        metrics_path="/metrics",
        in_flight_metrics=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
        # llama.cpp marks errors with a letter after the time: "0.00.003.645 E llama_model_load: …".
        error_line=re.compile(r"^\S+ E "),
        exit_reasons={EXIT_CODES[Reason.WEIGHTS_INVALID]: Reason.WEIGHTS_INVALID},
    )
