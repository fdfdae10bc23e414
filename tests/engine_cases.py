"""Every engine as the contract's tests see it: how to start it, what it answers, what takes it long."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests import engines_environment
from tests.eventually import eventually
from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime

START_SECONDS: Final = 600.0
"""For an engine on PyTorch beside other work."""
PLACES: Final = 2
"""Requests that an engine under test may work on at once."""
_TEXT: Final = "a ship leaves the slipway and sails along the coast of the old world "


@dataclass(frozen=True)
class EngineCase:
    """One engine with one model."""

    name: str
    fields: dict[str, Any]
    """Of RuntimeEnv."""
    path: str
    good: dict[str, Any]
    """A small request, without its model."""
    long: dict[str, Any]
    """A request that is at work for many seconds."""
    lasting: dict[str, Any]
    """A request that is at work for a second or more and then ends well."""
    worked: str
    """A counter of the engine's own metrics that grows with every inference."""
    running: str
    """A gauge of the requests at work."""
    malformed: tuple[bytes, ...]
    streams: bool = True
    stream_end: str = "data: [DONE]"
    """What the last event of a whole stream holds."""
    ours: bool = True
    """Whether the HTTP server is our code, which refuses as it likes; others keep to their own words."""
    deaf_while_asked: bool = False
    """Whether other callers' answers keep it from noticing that the caller of a request without stream has gone."""
    heavy: bool = False
    """Whether it needs the environment of PyTorch and vLLM."""

    def request(self, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        """``body`` as the model under test is asked."""
        return {"model": "m", **body, **more}


@dataclass
class Started:
    """A ready engine, and what was seen of it on the way."""

    case: EngineCase
    process: RuntimeProcess
    phases: list[str] = field(default_factory=list)
    """In the order seen; short ones may be missing."""
    ready_too_early: list[str] = field(default_factory=list)
    """Phases in which ``/readyz`` said 200 although they came before ready."""
    metrics_when_ready: str = ""

    def url(self, path: str) -> str:
        return f"{self.process.data_url}{path}"

    def ask(self, body: dict[str, Any], timeout: float = 60) -> httpx2.Response:
        return httpx2.post(self.url(self.case.path), json=self.case.request(body), timeout=timeout)

    def post(self, content: bytes) -> httpx2.Response:
        headers = {"Content-Type": "application/json"}
        return httpx2.post(self.url(self.case.path), content=content, headers=headers, timeout=60)

    @contextmanager
    def open_request(self, body: dict[str, Any]) -> Iterator[socket.socket]:
        """A request whose answer nobody reads; leaving the block hangs up."""
        content = json.dumps(self.case.request(body)).encode()
        head = f"POST {self.case.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", self.process.env.data_port), timeout=20) as sock:
            sock.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            yield sock

    def in_flight(self) -> int:
        state = self.process.state()
        assert state is not None
        count: int = state["inFlight"]
        return count

    def metrics(self) -> str:
        answer = self.process.control("/metrics")
        assert answer is not None
        return answer.text


def sample(metrics: str, name: str) -> float:
    """The sum of all samples of ``name``; 0 when there is none."""
    lines = (line for line in metrics.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextmanager
def started(case: EngineCase, folder: Path) -> Iterator[Started]:
    """``case``, once it is ready."""
    python = engines_environment.python() if case.heavy else None
    with runtime(folder, python=python, max_concurrency=PLACES, **case.fields) as process:
        seen = Started(case, process)
        _watch_until_ready(seen)
        seen.metrics_when_ready = seen.metrics()
        yield seen


def _watch_until_ready(seen: Started) -> None:
    # One client: making one takes more than asking, and engines that load need every core.
    with httpx2.Client(base_url=f"http://127.0.0.1:{seen.process.env.control_port}", timeout=10) as client:

        def look() -> str:
            if seen.process.process.poll() is not None:
                return "ended"
            # In this order: what is ready now was ready, or became it, by the time of the second question.
            ready = client.get("/readyz").status_code == httpx2.codes.OK
            phase: str = client.get("/state").json()["phase"]
            if not seen.phases or seen.phases[-1] != phase:
                seen.phases.append(phase)
            if ready and phase != "ready":
                seen.ready_too_early.append(phase)
            return phase

        every = 0.25 if seen.case.heavy else 0.02
        phase = eventually("ready", look, lambda phase: phase in ("ready", "ended"), within=START_SECONDS, every=every)
        assert phase == "ready", seen.process.log


_NOT_JSON: Final = (b"", b"{", b"[]", b'"text"', b"\xff\xfe")
_DUMMY: Final = EngineCase(
    name="dummy",
    fields={},
    path="/v1/completions",
    good={"prompt": "hi"},
    long={"prompt": "hi", "max_tokens": 6000, "dummy": {"tokens_per_second": 20}},
    lasting={"prompt": "hi", "max_tokens": 40, "dummy": {"tokens_per_second": 20}},
    worked="dummy_tokens_total",
    running="slipway_engine_requests_running",
    malformed=(*_NOT_JSON, b'{"model": "m", "prompt": 1}', b'{"model": "m", "prompt": "", "max_tokens": "many"}'),
)
_LLAMACPP: Final = EngineCase(
    name="llamacpp",
    # An answer that forgets its beginning never ends; threads that wait for one another stop on a machine that is busy.
    fields={"engine": "llamacpp", "model_source": CHAT_MODEL, "engine_args": ("--context-shift", "--threads=1")},
    path="/v1/completions",
    good={"prompt": "Slipway", "max_tokens": 3},
    long={"prompt": "Slipway", "max_tokens": 200_000, "ignore_eos": True},
    lasting={"prompt": "Slipway", "max_tokens": 600, "ignore_eos": True},
    worked="llamacpp:tokens_predicted_total",
    running="llamacpp:requests_processing",
    malformed=(*_NOT_JSON, b'{"model": "m"}', b'{"model": "m", "prompt": "", "max_tokens": "many"}'),
    ours=False,
    # It looks for hang-ups only after a second without any result, /metrics included (llama.cpp's server-queue.cpp).
    deaf_while_asked=True,
)
_EMBEDDINGS: Final = EngineCase(
    name="onnx-embeddings",
    fields={"engine": "onnx", "model_source": "demo://embed", "tasks": ("embeddings",)},
    path="/v1/embeddings",
    good={"input": "hi"},
    long={"input": [_TEXT * 15] * 1500},
    lasting={"input": [_TEXT * 15] * 60},
    worked="slipway_onnx_tokens_total",
    running="slipway_engine_requests_running",
    malformed=(*_NOT_JSON, b'{"model": "m"}', b'{"model": "m", "input": []}', b'{"model": "m", "input": [1.5]}'),
    streams=False,
)
_RERANK: Final = EngineCase(
    name="onnx-rerank",
    fields={"engine": "onnx", "model_source": "demo://rerank", "tasks": ("rerank",)},
    path="/v1/rerank",
    good={"query": "hi", "documents": ["hi", "ship"]},
    long={"query": "hi", "documents": [_TEXT * 30] * 2000},
    lasting={"query": "hi", "documents": [_TEXT * 30] * 1000},
    worked="slipway_onnx_tokens_total",
    running="slipway_engine_requests_running",
    malformed=(*_NOT_JSON, b'{"model": "m", "query": "hi"}', b'{"model": "m", "query": "hi", "documents": [1]}'),
    streams=False,
)
_DIFFUSERS: Final = EngineCase(
    name="diffusers",
    fields={
        "engine": "diffusers",
        "model_source": "demo://images",
        "engine_args": ("--max-steps=1000", "--max-size=256", "--threads=1"),
    },
    path="/v1/images/generations",
    good={"prompt": "a red circle", "steps": 2},
    long={"prompt": "a red circle", "steps": 999, "size": "256x256"},
    lasting={"prompt": "a red circle", "steps": 40, "size": "256x256"},
    worked="slipway_runtime_images_steps_total",
    running="slipway_engine_requests_running",
    malformed=(*_NOT_JSON, b'{"model": "m"}', b'{"model": "m", "prompt": "x", "size": "huge"}'),
    stream_end="event: image_generation.completed",
    heavy=True,
)
_VLLM: Final = EngineCase(
    name="vllm",
    fields={"engine": "vllm", "model_source": CHAT_MODEL, "engine_args": ("--kv-cache-memory-bytes=67108864",)},
    path="/v1/completions",
    good={"prompt": "Slipway", "max_tokens": 3},
    long={"prompt": "Slipway", "max_tokens": 2000, "ignore_eos": True},
    lasting={"prompt": "Slipway", "max_tokens": 400, "ignore_eos": True},
    worked="vllm:generation_tokens_total",
    running="vllm:num_requests_running",
    malformed=(b"{", b'"text"', b'{"model": "m", "prompt": "", "max_tokens": "many"}'),
    ours=False,
    heavy=True,
)

ENGINE_CASES: Final = (_DUMMY, _LLAMACPP, _EMBEDDINGS, _RERANK, _DIFFUSERS, _VLLM)
_PARAMS: Final = [
    pytest.param(case, id=case.name, marks=pytest.mark.engines if case.heavy else pytest.mark.local)
    for case in ENGINE_CASES
]


@pytest.fixture(scope="session", params=_PARAMS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Each engine in turn, started once for all tests of the contract; the last of them ends it."""
    case: EngineCase = request.param
    with started(case, tmp_path_factory.mktemp(case.name)) as running:
        yield running
