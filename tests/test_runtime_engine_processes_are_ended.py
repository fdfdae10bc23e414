"""An engine that is a process: its output is kept for the cause, and it ends when told, willing or not."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.process_engine import ProcessEngine, ProcessSpec
from slipway_runtime.domain.failure import RuntimeFailure
from tests.eventually import eventually
from tests.runtimes import free_port

pytestmark = pytest.mark.local

STUBBORN = """
import http.server, os, signal, subprocess, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/metrics":
            self.wfile.write(b'# HELP x\\nrunning{model="m"} 2.0\\nwaiting 3\\nother 9\\n')
signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[2], "w").write(str(helper.pid))
print("x" * 100_000, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def spec(script: str, *arguments: str, port: int) -> ProcessSpec:
    return ProcessSpec(
        name="fake",
        argv=(sys.executable, "-c", script, str(port), *arguments),
        host="127.0.0.1",
        port=port,
        device="cpu",
        health_path="/health",
        metrics_path="/metrics",
        in_flight_metrics=("running", "waiting"),
        exit_reasons={7: Reason.WEIGHTS_INVALID},
        stop_seconds=0.3,
    )


async def test_one_that_ignores_sigterm_is_killed_with_its_helpers(tmp_path: Path) -> None:
    helper_file = tmp_path / "helper"
    engine = ProcessEngine(spec(STUBBORN, str(helper_file), port=free_port()))
    async with asyncio.timeout(20):
        await engine.start()
        assert await engine.in_flight() == 5
        end = await engine.stop()
    assert end.returncode == -9
    assert not _runs(int(helper_file.read_text()))


async def test_its_state_can_be_asked_for_while_it_ends(tmp_path: Path) -> None:
    engine = ProcessEngine(spec(STUBBORN, str(tmp_path / "helper"), port=free_port()))
    async with asyncio.timeout(20):
        await engine.start()
        ending = asyncio.create_task(engine.stop())
        await asyncio.sleep(0)
        assert await engine.in_flight() == 5
        assert "running" in await engine.metrics()
        await ending
        assert await engine.in_flight() == 0
        assert await engine.metrics() == ""


async def test_one_that_ends_while_loading_tells_its_last_words() -> None:
    script = "import sys; print('first'); print('no such tensor', file=sys.stderr); sys.exit(7)"
    engine = ProcessEngine(spec(script, port=free_port()))
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeFailure, match=r"ended while loading: .*no such tensor") as raised:
            await engine.start()
        await engine.stop()
    assert raised.value.reason is Reason.WEIGHTS_INVALID
    assert raised.value.exit_code == 7


async def test_a_death_is_noticed_while_helpers_live_on(tmp_path: Path) -> None:
    helper_file = tmp_path / "helper"
    engine = ProcessEngine(spec(STUBBORN, str(helper_file), port=free_port()))
    async with asyncio.timeout(20):
        await engine.start()
        helper = int(helper_file.read_text())
        os.kill(os.getpgid(helper), signal.SIGKILL)
        end = await asyncio.wait_for(engine.wait(), 3)
        assert _runs(helper)
        await engine.stop()
    assert end.returncode == -9
    eventually("the helper is gone", lambda: _runs(helper), lambda runs: not runs, within=3)


async def test_one_that_was_never_started_can_be_stopped() -> None:
    engine = ProcessEngine(spec("", port=free_port()))
    assert (await engine.stop()).returncode == 0


async def test_one_that_does_not_answer_counts_as_busy_and_has_no_metrics() -> None:
    engine = ProcessEngine(spec("", port=free_port()))
    assert await engine.in_flight() == 1
    assert await engine.metrics() == ""
    await engine.stop()


def _runs(pid: int) -> bool:
    try:
        # A zombie has ended, even while nobody has collected it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
