"""The process of vLLM's server: ``python -m slipway_runtime.adapters.vllm.server FLAGS…``, its flags unchanged.

vLLM runs in this process and starts further ones. All of them end when standard input closes, which happens when the
supervisor is gone, however it ended.
"""

import os
import runpy
import shutil
import signal
import sys
import threading
import warnings
from typing import Final

from slipway_runtime.adapters.tracing import SERVICE_NAME

_MODULE: Final = "vllm.entrypoints.openai.api_server"
# For vLLM and the libraries in it; the container's own environment wins.
_ENVIRONMENT: Final = {
    # Nothing phones home.
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # Everything has been fetched.
    "HF_HUB_OFFLINE": "1",
    # A site that may be asked for an image must not send us on to another one.
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    # Spans go the same way as those of other engines; gRPC is its default.
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    "OTEL_SERVICE_NAME": SERVICE_NAME,
}
_COMPILERS: Final = ("g++", "clang++", "c++")


def _end_with_the_supervisor() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # The supervisor has put this process and what it starts into a group of their own.
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Serve until told to end."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not any(map(shutil.which, _COMPILERS)):
        # A few functions are compiled when a request first needs them, such as one for log probabilities, whatever
        # --enforce-eager says; without a compiler that request would fail.
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    threading.Thread(target=_end_with_the_supervisor, daemon=True).start()
    # The module is the one entry that CPU and CUDA builds share: the command `vllm` knows the latter only.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=f".*{_MODULE}")
    runpy.run_module(_MODULE, run_name="__main__")


if __name__ == "__main__":
    main()
