"""Starts real ``slipway-runtime`` processes on loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai

from slipway_crds.runtime_env import RuntimeEnv
from tests import engines_environment
from tests.eventually import eventually

CHAT_MODEL = "demo://chat"
START_SECONDS = 30.0
END_SECONDS = 20.0
_CONFIGURES = ("SLIPWAY_", "HF_", "ORT_", "OTEL_")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class RuntimeProcess:
    """One runtime under test."""

    def __init__(self, env: RuntimeEnv, folder: Path, extra: dict[str, str], python: str | Path) -> None:
        self.env = env
        self.termination_log = Path(env.termination_log)
        self._log_path = folder / f"runtime-{env.control_port}.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "slipway_runtime.main"],
                env={**_inherited(), **env.to_env(), **extra},
                stdout=log,
                stderr=log,
            )

    @property
    def data_url(self) -> str:
        return f"http://127.0.0.1:{self.env.data_port}"

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def control(self, path: str, method: str = "GET") -> httpx2.Response | None:
        """The answer of the control port; None when nobody listens."""
        try:
            return httpx2.request(method, f"http://127.0.0.1:{self.env.control_port}{path}", timeout=5)
        except httpx2.TransportError:
            return None

    def state(self) -> dict[str, Any] | None:
        answer = self.control("/state")
        return None if answer is None else answer.json()

    def wait_for_phase(self, phase: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            return {"exit": self.process.poll(), **(self.state() or {"phase": None})}

        def settled(state: dict[str, Any]) -> bool:
            return state["phase"] == phase or state["exit"] is not None

        state = eventually(f"phase {phase}", look, settled, within=seconds, every=0.02)
        assert state["phase"] == phase, f"{state}\n{self.log}"
        return state

    def wait_for_exit(self, seconds: float = END_SECONDS) -> int:
        return self.process.wait(seconds)

    def termination_message(self) -> dict[str, str]:
        message: dict[str, str] = json.loads(self.termination_log.read_text())
        return message

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        """Make sure that it does not run any more."""
        if self.process.poll() is None:
            # The second one spares the drain.
            self.process.terminate()
            self.process.terminate()
            try:
                self.wait_for_exit(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.wait_for_exit()

    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.data_url}/v1", api_key="none", max_retries=0, timeout=20)


def _inherited() -> dict[str, str]:
    """The environment without what configures a runtime or its libraries: that is for each test to say."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_CONFIGURES)}


@contextmanager
def runtime(
    folder: Path, *, extra: dict[str, str] | None = None, python: Path | None = None, **fields: Any
) -> Iterator[RuntimeProcess]:
    """A runtime with ``fields`` of RuntimeEnv (default: a dummy), killed at the end if it still runs.

    ``python`` is the interpreter of another environment that has the engine; see `engines_environment`.
    """
    defaults: dict[str, Any] = {
        "model_name": "m",
        "model_source": "demo://dummy",
        "engine": "dummy",
        "host": "127.0.0.1",
        "data_port": free_port(),
        "control_port": free_port(),
        "cache_dir": str(folder / "cache"),
        "termination_log": str(folder / "termination-log"),
    }
    env = RuntimeEnv.model_validate(defaults | fields)
    elsewhere = {} if python is None else engines_environment.import_path()
    process = RuntimeProcess(env, folder, {**elsewhere, **(extra or {})}, python or sys.executable)
    try:
        yield process
    finally:
        process.end()
