"""Runtimes as processes of this machine."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import httpx2

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_local.adapters.bounded_log import bounded_log, last_lines
from slipway_local.adapters.engine_pythons import EnginePython
from slipway_local.domain.launch import Launch, Place, environment
from slipway_local.domain.view import RuntimeReport
from slipway_local.domain.world import Problem

_LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 65_536
_LAST_LINES: Final = 8
_ASK_SECONDS: Final = 2.0
_ARGUMENTS: Final = ("-P", "-m", "slipway_local.adapters.guarded_runtime")


class RuntimeProcess:
    """One start of a runtime."""

    def __init__(
        self, process: asyncio.subprocess.Process, place: Place, log: Path, client: httpx2.AsyncClient
    ) -> None:
        self._process = process
        self._place = place
        self._log = log
        self._client = client
        self._output = asyncio.create_task(_copy_output(process, log))

    @property
    def pid(self) -> int:
        """Process id; also that of its process group."""
        return self._process.pid

    @property
    def data_port(self) -> int:
        """Where it serves, on the loopback address."""
        return self._place.data_port

    @property
    def log(self) -> Path:
        """File with its output."""
        return self._log

    async def wait(self) -> int:
        """The exit code, once it has ended and all its output is in the log; negative: the signal that ended it."""
        code = await self._process.wait()
        # What the runtime started may hold the pipe open; a moment is enough for what is already in it.
        await asyncio.wait({self._output}, timeout=1.0)
        self._output.cancel()
        return code

    async def report(self) -> RuntimeReport | None:
        """Its answer to ``GET /state``; None while it has none."""
        try:
            answer = await self._client.get(f"http://{_LOOPBACK}:{self._place.control_port}/state")
            return _report(answer.raise_for_status().json())
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            return None

    def terminate(self) -> None:
        """Ask it to drain and end; asked again, it ends without waiting for running requests."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End it, and what it started in its process group, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def termination_message(self) -> str:
        """What it left behind about its end; empty if nothing."""
        try:
            return self._place.termination_log.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def last_words(self) -> tuple[str, ...]:
        """The end of its log."""
        return last_lines(self._log, _LAST_LINES)


@dataclass(frozen=True)
class Launcher:
    """Starts runtimes; logs and termination messages go below ``run_dir``."""

    run_dir: Path
    cache_dir: Path
    environ: Mapping[str, str]
    client: httpx2.AsyncClient
    pythons: Mapping[EngineType, EnginePython]
    """Interpreters of engines that run in environments of their own."""

    async def start(self, launch: Launch) -> RuntimeProcess:
        """Start a runtime. Raises OSError when the system refuses."""
        self.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        data_port, control_port = _free_ports(2)
        end = self.run_dir / f"{launch.name}.end"
        end.unlink(missing_ok=True)
        place = Place(_LOOPBACK, data_port, control_port, self.cache_dir, end)
        process = await asyncio.create_subprocess_exec(
            *self._command(launch.engine),
            env={**environment(launch, place, self.environ), **self._import_path(launch.engine)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A session of its own: Ctrl-C in the terminal reaches only `slipway up`, which lets requests finish first.
            start_new_session=True,
        )
        return RuntimeProcess(process, place, self.run_dir / f"{launch.name}.log", self.client)

    def _command(self, engine: EngineType) -> tuple[str, ...]:
        python = self.pythons.get(engine)
        return (sys.executable if python is None else str(python.path), *_ARGUMENTS)

    def _import_path(self, engine: EngineType) -> dict[str, str]:
        """``PYTHONPATH`` for an interpreter that finds Slipway's packages by it alone."""
        python = self.pythons.get(engine)
        if python is None or not python.import_path:
            return {}
        inherited = filter(None, [self.environ.get("PYTHONPATH", "")])
        return {"PYTHONPATH": os.pathsep.join([*python.import_path, *inherited])}


def control_client() -> httpx2.AsyncClient:
    """The client for control ports; no proxy may stand between."""
    return httpx2.AsyncClient(timeout=_ASK_SECONDS, trust_env=False)


def is_installed(module: str) -> bool:
    """Whether a top-level module is there; it is not imported."""
    return find_spec(module) is not None


async def _copy_output(process: asyncio.subprocess.Process, path: Path) -> None:
    assert process.stdout is not None
    with bounded_log(path) as log:
        while chunk := await process.stdout.read(_CHUNK):
            log.write(chunk)


def _free_ports(count: int) -> tuple[int, ...]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)


def _report(state: Any) -> RuntimeReport:
    error = state["error"]
    return RuntimeReport(
        phase=str(state["phase"]),
        phase_seconds={str(phase): float(spent) for phase, spent in state["phaseSeconds"].items()},
        bytes_fetched=int(state["bytesFetched"]),
        bytes_total=None if state["bytesTotal"] is None else int(state["bytesTotal"]),
        in_flight=int(state["inFlight"]),
        device=str(state["device"]),
        device_fallback=None if state["deviceFallback"] is None else str(state["deviceFallback"]),
        problem=None if error is None else Problem(Reason(error["reason"]), str(error["message"])),
    )
