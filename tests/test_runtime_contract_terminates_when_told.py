"""SIGTERM: every engine is not ready at once, finishes what runs, and ends with 0 within its grace.

By its name the last file of the contract: the process that all of them share ends here.
"""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.engine_cases import Started
from tests.eventually import eventually

GRACE_SECONDS = 60.0


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def ask_whole(engine: Started, body: dict[str, Any]) -> tuple[int, str]:
    answer = engine.ask(body)
    return answer.status_code, answer.text


def test_running_requests_end_whole(engine: Started, callers: ThreadPoolExecutor) -> None:
    case = engine.case
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
