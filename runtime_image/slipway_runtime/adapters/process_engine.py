"""Engines that are processes of their own, directly on the data port."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import httpx2

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.http_server import bind
from slipway_runtime.adapters.loopback import loopback_client
from slipway_runtime.adapters.threads import run_in_thread
from slipway_runtime.domain.engine import EngineExit
from slipway_runtime.domain.failure import RuntimeFailure, exit_status

_LINE_LIMIT = 64 * 1024
_KEPT_LINES = 200
_DETAIL_LINES = 4
_DETAIL_CHARACTERS = 1500
_LAST_OUTPUT_SECONDS = 0.5
_FIRST_POLL, _SLOWEST_POLL = 0.01, 0.5
_ASK_SECONDS = 2.0


@dataclass(frozen=True)
class Cause:
    """How a cause shows in an engine's output."""

    line: re.Pattern[str]
    reason: Reason
    advice: str = ""
    """What to change, for people."""


@dataclass(frozen=True)
class ProcessSpec:
    """How to run one engine and what its HTTP server offers."""

    name: str
    argv: tuple[str, ...]
    host: str
    """Where this process reaches the engine."""
    port: int
    device: str
    health_path: str
    """Answers 200 once the weights are loaded."""
    metrics_path: str
    in_flight_metrics: tuple[str, ...]
    """Gauges in ``metrics_path`` whose sum is the number of requests inside the engine."""
    device_fallback: str | None = None
    """Why ``device`` is the CPU although GPUs were given."""
    error_line: re.Pattern[str] = re.compile("")
    """What the engine's output has in lines that tell a cause; a group ``cause`` is the part for people."""
    causes: tuple[Cause, ...] = ()
    """Causes that the last lines of the output tell, the most certain first."""
    exit_reasons: Mapping[int, Reason] = field(default_factory=dict)
    """Exit codes by which the engine tells its cause where its output does not; all others are EngineFailed."""
    stop_seconds: float = 10.0
    """How long the engine may take to end after SIGTERM."""


class ProcessEngine:
    """Runs a ProcessSpec once. An ``Engine``."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._output: deque[str] = deque(maxlen=_KEPT_LINES)
        self._client = loopback_client(spec.host, spec.port, timeout=_ASK_SECONDS)
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: asyncio.Task[EngineExit] | None = None
        self._stopped = False

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._spec.device

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given."""
        return self._spec.device_fallback

    async def start(self) -> None:
        """Start the process and wait until its health path answers 200."""
        # Another server on the port would pass for the engine.
        bind(self._spec.host, self._spec.port).close()
        ended = self._ended = self._spawn()
        poll = _FIRST_POLL
        while not await self._healthy():
            await asyncio.wait({ended}, timeout=poll)
            if ended.done():
                end = ended.result()
                message = f"the {self._spec.name} engine ended while loading: {end.detail or 'it said nothing'}"
                raise RuntimeFailure(end.reason, message, exit_status(end.returncode) or None)
            poll = min(poll * 2, _SLOWEST_POLL)

    def _spawn(self) -> "asyncio.Task[EngineExit]":
        process = self._process = subprocess.Popen(
            self._spec.argv,
            # The engine may watch this pipe: it closes when the supervisor is gone, however it ended.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C in a terminal reaches the supervisor only, which drains first.
            process_group=0,
        )
        reader = threading.Thread(target=self._read, args=(process,), name="engine-output", daemon=True)
        reader.start()
        return asyncio.create_task(self._follow(process, reader))

    async def wait(self) -> EngineExit:
        """Return when the process has ended."""
        assert self._ended is not None, "wait() before start()"
        return await asyncio.shield(self._ended)

    async def in_flight(self) -> int:
        """Requests inside the engine, by its own metrics; at least 1 when it is too busy to answer, 0 after its end."""
        if self._is_over():
            return 0
        try:
            text = await self._metrics()
        except httpx2.HTTPError:
            return 1
        return sum(int(_sum_of_samples(text, name)) for name in self._spec.in_flight_metrics)

    async def metrics(self) -> str:
        """The engine's metrics; empty when it does not answer."""
        if self._is_over():
            return ""
        try:
            return await self._metrics()
        except httpx2.HTTPError:
            return ""

    async def stop(self) -> EngineExit:
        """SIGTERM, and SIGKILL for what is left of the process's group after ``stop_seconds``."""
        if self._process is None or self._ended is None:
            await self._client.aclose()
            return EngineExit(0)
        if self._stopped:
            return await self._ended
        self._stopped = True
        if not self._ended.done():
            self._process.terminate()
            await asyncio.wait({self._ended}, timeout=self._spec.stop_seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        end = await self._ended
        # Not before: the control port goes on asking while the engine ends.
        await self._client.aclose()
        return end

    def _is_over(self) -> bool:
        return self._ended is not None and self._ended.done()

    async def _healthy(self) -> bool:
        try:
            return (await self._client.get(self._spec.health_path)).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False

    async def _metrics(self) -> str:
        answer = await self._client.get(self._spec.metrics_path)
        return answer.raise_for_status().text

    async def _follow(self, process: "subprocess.Popen[bytes]", reader: threading.Thread) -> EngineExit:
        # The end of the process, not of its output: helpers it started may live on and hold the pipe.
        code = await run_in_thread(process.wait, name="engine-end")
        await run_in_thread(partial(reader.join, _LAST_OUTPUT_SECONDS), name="engine-output-end")
        for cause in self._spec.causes:
            if any(cause.line.search(line) for line in self._output):
                words = "; ".join(filter(None, (self._last_words(), cause.advice)))
                return EngineExit(code, words, cause.reason)
        return EngineExit(code, self._last_words(), self._spec.exit_reasons.get(code, Reason.ENGINE_FAILED))

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as output:
            while line := output.readline(_LINE_LIMIT).decode(errors="replace"):
                # The engine's log is the container's log.
                sys.stderr.write(line)
                self._output.append(line.rstrip())

    def _last_words(self) -> str:
        found = (self._spec.error_line.search(line) for line in self._output)
        told = [match.groupdict().get("cause", match.string).strip() for match in found if match]
        return "; ".join(dict.fromkeys((told or list(self._output))[-_DETAIL_LINES:]))[:_DETAIL_CHARACTERS]


def _sum_of_samples(text: str, name: str) -> float:
    """The value of a gauge; where an engine runs as several processes, each has a sample of its own."""
    return sum(map(float, re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)", text, re.MULTILINE)))
