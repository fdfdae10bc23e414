"""SIGTERM: every engine is not ready at once, finishes what runs, and ends with 0 within its grace."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.engine_cases import ENGINE_CASES, EngineCase, Started, engine_params, started
from tests.eventually import eventually

GRACE_SECONDS = 60.0


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def ask_whole(engine: Started, body: dict[str, Any]) -> tuple[int, str]:
    answer = engine.ask(body)
    return answer.status_code, answer.text


@pytest.mark.timeout(900)  # it starts an engine, which takes minutes beside others
@pytest.mark.parametrize("case", engine_params(*ENGINE_CASES))
def test_running_requests_end_whole(tmp_path: Path, case: EngineCase, callers: ThreadPoolExecutor) -> None:
    with started(case, tmp_path) as engine:
        whole = callers.submit(ask_whole, engine, case.lasting)
        other = callers.submit(ask_whole, engine, case.lasting | ({"stream": True} if case.streams else {}))
        eventually("both run", engine.in_flight, lambda count: count == 2, within=20, every=0.01)
        engine.process.signal(signal.SIGTERM)
        engine.process.wait_for_phase("draining")
        ready = engine.process.control("/readyz")
        live = engine.process.control("/livez")
        assert ready is not None
        assert live is not None
        assert (ready.status_code, live.status_code) == (503, 200)
        assert engine.in_flight() > 0
        assert whole.result(GRACE_SECONDS)[0] == 200
        status, text = other.result(GRACE_SECONDS)
        assert status == 200
        assert not case.streams or case.stream_end in text.rstrip().rpartition("\n\n")[2]
        assert engine.process.wait_for_exit(GRACE_SECONDS) == 0, engine.process.log
        assert not engine.process.termination_log.exists()
