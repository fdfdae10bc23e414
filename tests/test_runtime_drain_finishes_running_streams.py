"""A drain by ``POST /drain`` or by signal: streams end whole unless its time is up or a second signal comes."""

import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local


class Stream(threading.Thread):
    """A caller that reads a slow stream to its end."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.seconds = seconds
        self.text = ""
        self.broken: Exception | None = None

    def run(self) -> None:
        request: dict[str, Any] = {"model": "m", "prompt": "hi", "stream": True, "max_tokens": int(self.seconds * 20)}
        request["dummy"] = {"tokens_per_second": 20}
        try:
            with httpx2.stream("POST", f"{self.url}/v1/completions", json=request, timeout=20) as answer:
                for piece in answer.iter_text():
                    self.text += piece
        except httpx2.HTTPError as error:
            self.broken = error


def running_stream(process: RuntimeProcess, seconds: float) -> Stream:
    process.wait_for_phase("ready")
    stream = Stream(process.data_url, seconds)
    stream.start()
    eventually("the first token", lambda: stream.text, lambda text: "tok0" in text, within=10, every=0.02)
    state = process.state()
    assert state is not None
    assert state["inFlight"] == 1
    return stream


def test_post_drain_answers_at_once_and_a_following_sigterm_does_not_hurry(tmp_path: Path) -> None:
    with runtime(tmp_path) as process:
        stream = running_stream(process, seconds=2)
        answer = process.control("/drain", "POST")
        assert answer is not None
        assert answer.status_code == 202
        assert stream.is_alive()
        process.signal(signal.SIGTERM)
        assert process.wait_for_exit() == 0
        stream.join(5)
        assert stream.text.endswith("data: [DONE]\n\n")


def test_requests_are_still_served_while_callers_have_not_yet_noticed(tmp_path: Path) -> None:
    with runtime(tmp_path) as process:
        process.wait_for_phase("ready")
        process.signal(signal.SIGTERM)
        process.wait_for_phase("draining")
        answer = httpx2.post(f"{process.data_url}/v1/completions", json={"model": "m", "prompt": "hi"})
        assert answer.status_code == 200


def test_the_drain_ends_at_its_timeout(tmp_path: Path) -> None:
    with runtime(tmp_path, drain_timeout="500ms") as process:
        stream = running_stream(process, seconds=60)
        started = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.wait_for_exit() == 0
        assert time.monotonic() - started < 5
        stream.join(5)
        assert stream.broken is not None
    assert "still running after 0.5 s" in process.log


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    with runtime(tmp_path) as process:
        running_stream(process, seconds=60)
        process.signal(signal.SIGTERM)
        process.wait_for_phase("draining")
        process.signal(signal.SIGTERM)
        assert process.wait_for_exit(5) == 0


def test_sigterm_before_ready_ends_at_once(tmp_path: Path) -> None:
    with runtime(tmp_path, engine_args=("--load-seconds=60",)) as process:
        process.wait_for_phase("loading")
        process.signal(signal.SIGTERM)
        assert process.wait_for_exit(5) == 0
