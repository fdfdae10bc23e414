"""Fixtures: vLLM servers on the CPU, each for one test file. Those that the selected tests ask for start at once, since
for most of its minute a start is one thread that imports."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest

from slipway_runtime.demo.embed_onnx import minilm_source
from tests import engines_environment
from tests.otel_collector import Collector
from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime
from tests.vllm_runtimes import LOAD_SECONDS, SMALL

_ADAPTERS: Final = tuple({"name": name, "source": f"demo://chat-lora-{name}"} for name in ("pirate", "brief"))
_SERVERS: Final[dict[str, dict[str, Any]]] = {
    # fixture: fields of RuntimeEnv
    "vllm_chat": {
        "model_source": CHAT_MODEL,
        "served_names": ("chat", "chat-alias"),
        "adapters": _ADAPTERS,
        "max_concurrency": 2,
        "drain_timeout": "200ms",
    },
    "vllm_vision": {"model_source": "demo://vision", "tasks": ("chat",), "drain_timeout": "60s"},
    "vllm_embeddings": {
        "model_source": minilm_source().as_uri(),
        "tasks": ("embeddings", "rerank"),
        "engine_args": (*SMALL, "--dtype=float32"),
    },
}


@pytest.fixture(scope="session")
def _vllm_servers(
    request: pytest.FixtureRequest, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RuntimeProcess]]:
    """All that are wanted, and all ready: tests with tight times do not run beside one that loads."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    common = {
        "engine": "vllm",
        "engine_args": SMALL,
        "python": engines_environment.python(),
        "extra": {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint},
    }
    with ExitStack() as ends:
        servers = {
            name: ends.enter_context(runtime(tmp_path_factory.mktemp(name), **{**common, **fields}))
            for name, fields in _SERVERS.items()
            if name in wanted
        }
        for process in servers.values():
            process.wait_for_phase("ready", LOAD_SECONDS)
        yield servers


@pytest.fixture(scope="module")
def vllm_chat(_vllm_servers: dict[str, RuntimeProcess]) -> Iterator[RuntimeProcess]:
    """The demo chat model as ``chat`` and ``chat-alias``, its adapters ``pirate`` and ``brief``, two places, traces."""
    yield from _until_done(_vllm_servers["vllm_chat"])


@pytest.fixture(scope="module")
def vllm_vision(_vllm_servers: dict[str, RuntimeProcess]) -> Iterator[RuntimeProcess]:
    """The demo vision model."""
    yield from _until_done(_vllm_servers["vllm_vision"])


@pytest.fixture(scope="module")
def vllm_embeddings(_vllm_servers: dict[str, RuntimeProcess]) -> Iterator[RuntimeProcess]:
    """MiniLM as its authors published it."""
    yield from _until_done(_vllm_servers["vllm_embeddings"])


def _until_done(process: RuntimeProcess) -> Iterator[RuntimeProcess]:
    """``process``, ended with the test file: it holds gigabytes."""
    yield process
    process.end()
