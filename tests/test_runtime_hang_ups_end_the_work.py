"""A caller that hangs up frees its place within a second, streamed or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    """A dummy that works on one request at a time."""
    folder: Path = tmp_path_factory.mktemp("dummy")
    with runtime(folder, max_concurrency=1) as process:
        process.wait_for_phase("ready")
        yield process


def slow(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "prompt": "hi", "max_tokens": 600, "dummy": {"tokens_per_second": 10}, **fields}


def in_flight(process: RuntimeProcess) -> int | None:
    state = process.state()
    return None if state is None else state["inFlight"]


def assert_the_next_is_served_at_once(process: RuntimeProcess) -> None:
    eventually("no request in flight", lambda: in_flight(process), lambda count: count == 0, within=1, every=0.02)
    answer = httpx2.post(f"{process.data_url}/v1/completions", json={"model": "m", "prompt": "hi"}, timeout=1)
    assert answer.status_code == 200


def test_of_a_stream(process: RuntimeProcess) -> None:
    with httpx2.stream("POST", f"{process.data_url}/v1/completions", json=slow(stream=True)) as answer:
        pieces = answer.iter_raw()  # kept: a generator that is dropped closes the answer
        assert next(pieces)
        assert in_flight(process) == 1
    assert_the_next_is_served_at_once(process)


def test_of_a_request_that_is_answered_at_once(process: RuntimeProcess) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{process.data_url}/v1/completions", json=slow(), timeout=0.3)
    assert_the_next_is_served_at_once(process)


def test_of_a_request_that_still_waits_for_its_turn(process: RuntimeProcess) -> None:
    with httpx2.stream("POST", f"{process.data_url}/v1/completions", json=slow(stream=True)) as answer:
        pieces = answer.iter_raw()  # kept: a generator that is dropped closes the answer
        assert next(pieces)
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{process.data_url}/v1/completions", json=slow(), timeout=0.3)
        eventually("one in flight", lambda: in_flight(process), lambda count: count == 1, within=1, every=0.02)
    assert_the_next_is_served_at_once(process)
