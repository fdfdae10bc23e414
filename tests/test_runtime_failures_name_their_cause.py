"""A runtime that gives up ends non-zero and leaves the reason as JSON in the termination log."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.runtimes import CHAT_MODEL, runtime

pytestmark = pytest.mark.local


@pytest.mark.parametrize(
    ("fields", "code", "reason", "message"),
    [
        ({"model_source": "file:///no/such/file"}, 66, "WeightsNotFound", "/no/such/file"),
        ({"engine_args": ("--load-exit-code=41",)}, 41, "EngineFailed", "while loading"),
        (
            {"engine_args": ("--crash-after-seconds=0.3", "--crash-exit-code=42")},
            42,
            "EngineFailed",
            "(exit code 42): as --crash-after-seconds asks",
        ),
        (
            {"engine_args": ("--load-seconds=30",), "startup_timeout": "300ms"},
            75,
            "StartupTimeout",
            "not ready within 0.3 s",
        ),
    ],
)
def test_the_reason_is_left(tmp_path: Path, fields: dict[str, Any], code: int, reason: str, message: str) -> None:
    with runtime(tmp_path, **fields) as process:
        assert process.wait_for_exit() == code, process.log
        left = process.termination_message()
    assert left["reason"] == reason
    assert message in left["message"]
    assert reason in process.log


def test_a_file_that_is_no_gguf_is_invalid_weights(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(1000))
    with runtime(tmp_path, engine="llamacpp", model_source=f"file://{bad}") as process:
        assert process.wait_for_exit() == 65, process.log
        left = process.termination_message()
    assert left["reason"] == "WeightsInvalid"
    assert "bad.gguf" in left["message"]


def test_a_killed_engine_process_ends_the_runtime_with_its_exit_code(tmp_path: Path) -> None:
    with runtime(tmp_path, engine="llamacpp", model_source=CHAT_MODEL) as process:
        process.wait_for_phase("ready")
        listed = subprocess.run(
            ["ps", "--ppid", str(process.process.pid), "-o", "pid="], capture_output=True, text=True, check=True
        )
        (engine,) = listed.stdout.split()
        os.kill(int(engine), signal.SIGKILL)
        assert process.wait_for_exit() == 137
        left = process.termination_message()
    assert left["reason"] == "EngineFailed"
    assert "while ready (SIGKILL)" in left["message"]


def test_an_engine_process_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    with runtime(tmp_path, engine="llamacpp", model_source=CHAT_MODEL) as process:
        process.wait_for_phase("ready")
        process.signal(signal.SIGKILL)
        process.wait_for_exit()
        eventually("the data port is closed", lambda: _listens(process.data_url), lambda yes: not yes, within=5)


@pytest.mark.parametrize(("engine", "source"), [("dummy", "demo://dummy"), ("llamacpp", CHAT_MODEL)])
def test_a_port_in_use_is_named(tmp_path: Path, engine: str, source: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with runtime(tmp_path, engine=engine, model_source=source, data_port=port) as process:
            assert process.wait_for_exit() == 78
            assert f"cannot listen on 127.0.0.1:{port}" in process.termination_message()["message"]


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with runtime(tmp_path, extra={"SLIPWAY_DRAIN_TIMEOUT": "soon"}) as process:
        assert process.wait_for_exit() == 78
        left = process.termination_message()
    assert left["reason"] == "InvalidConfiguration"
    assert "SLIPWAY_DRAIN_TIMEOUT" in left["message"]


def _listens(url: str) -> bool:
    try:
        httpx2.get(f"{url}/health", timeout=2)
    except httpx2.TransportError:
        return False
    return True
