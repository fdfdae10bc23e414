"""A caller that hangs up stops its pictures between two steps; too many callers are told to come again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.image_models import generate, image_model, metric, pictures
from tests.runtimes import RuntimeProcess

pytestmark = pytest.mark.engines
LONG: dict[str, Any] = {"model": "m", "prompt": "a red circle", "steps": 999, "size": "256x256"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    """A runtime that works on two requests, holds one more, and takes long ones."""
    arguments = ("--max-steps=1000", "--max-size=256", "--max-queue=1", "--threads=1")
    with image_model(tmp_path_factory.mktemp("images"), *arguments, max_concurrency=2) as process:
        yield process


def url(process: RuntimeProcess) -> str:
    return f"{process.data_url}/v1/images/generations"


def running(process: RuntimeProcess) -> float:
    return metric(process, "slipway_runtime_images_running")


def in_flight(process: RuntimeProcess) -> int:
    state = process.state()
    assert state is not None
    count: int = state["inFlight"]
    return count


def assert_nothing_is_left(process: RuntimeProcess) -> None:
    eventually("no request in flight", lambda: in_flight(process), lambda count: count == 0, within=1, every=0.02)
    eventually("nothing running", lambda: running(process), lambda count: count == 0, within=1, every=0.02)


def test_of_a_stream(process: RuntimeProcess) -> None:
    with httpx2.stream("POST", url(process), json={**LONG, "stream": True}, timeout=60) as answer:
        lines = answer.iter_lines()  # kept: a generator that is dropped closes the answer
        assert next(lines) == "event: image_generation.progress"
        assert running(process) == 1
    assert_nothing_is_left(process)


def test_of_a_request_that_does_not_stream(process: RuntimeProcess) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(url(process), json=LONG, timeout=1)
    assert_nothing_is_left(process)
    assert len(pictures(generate(process))) == 1


def test_of_a_picture_that_shares_its_run_with_one_that_is_wanted(process: RuntimeProcess) -> None:
    body = {**LONG, "steps": 60}
    with ThreadPoolExecutor(1) as pool:
        wanted = pool.submit(lambda: httpx2.post(url(process), json=body, timeout=120))
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(url(process), json=body, timeout=1)
        assert len(pictures(wanted.result())) == 1
    assert_nothing_is_left(process)


def test_more_callers_than_may_wait_are_told_to_come_again(process: RuntimeProcess) -> None:
    with ThreadPoolExecutor(3) as pool:
        held = [
            pool.submit(lambda: httpx2.post(url(process), json={**LONG, "steps": 100, "n": 4}, timeout=200))
            for _ in range(3)
        ]
        eventually("three in flight", lambda: in_flight(process), lambda count: count == 3, within=10, every=0.02)
        refused = generate(process)
        assert {answer.result().status_code for answer in held} == {200}
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "engine_overloaded"
