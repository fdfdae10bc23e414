"""The dummy engine fails, slows down and breaks off exactly as a request asks."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("dummy")
    with runtime(folder) as process:
        process.wait_for_phase("ready")
        yield process


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}


def test_the_asked_status_is_answered(process: RuntimeProcess) -> None:
    answer = httpx2.post(f"{process.data_url}/v1/chat/completions", json=body(dummy={"fail_status": 502}))
    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "server_error"


def test_an_answer_that_fails_at_a_token_is_a_500(process: RuntimeProcess) -> None:
    answer = httpx2.post(f"{process.data_url}/v1/chat/completions", json=body(dummy={"fail_at_token": 2}))
    assert answer.status_code == 500


def test_a_stream_that_fails_at_a_token_breaks_off_after_it(process: RuntimeProcess) -> None:
    url = f"{process.data_url}/v1/chat/completions"
    chunks: list[bytes] = []
    broken_off = pytest.raises(httpx2.RemoteProtocolError, match="incomplete")
    with httpx2.stream("POST", url, json=body(stream=True, dummy={"fail_at_token": 2})) as answer, broken_off:
        chunks.extend(answer.iter_raw())
    received = b"".join(chunks)
    assert b"tok1" in received
    assert b"tok2" not in received
    assert b"[DONE]" not in received


def test_speed_and_time_to_first_token_are_kept(process: RuntimeProcess) -> None:
    knobs = {"first_token_seconds": 0.2, "tokens_per_second": 50}
    started = time.monotonic()
    first = None
    with httpx2.stream(
        "POST", f"{process.data_url}/v1/chat/completions", json=body(stream=True, max_tokens=21, dummy=knobs)
    ) as answer:
        for _ in answer.iter_raw():
            first = first or time.monotonic() - started
    assert first is not None
    assert first >= 0.2
    assert time.monotonic() - started >= 0.2 + 20 / 50


def resident_mib(process: RuntimeProcess) -> int:
    pages = Path(f"/proc/{process.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096 // 1024**2


def test_memory_is_filled_and_kept(process: RuntimeProcess) -> None:
    before = resident_mib(process)
    httpx2.post(f"{process.data_url}/v1/chat/completions", json=body(dummy={"memory_mib": 100})).raise_for_status()
    assert resident_mib(process) - before >= 90


def test_a_crash_ends_with_the_asked_code(tmp_path: Path) -> None:
    with runtime(tmp_path) as process:
        process.wait_for_phase("ready")
        with suppress(httpx2.TransportError):
            knobs = {"crash_exit_code": 7, "tokens_per_second": 1}
            httpx2.post(f"{process.data_url}/v1/chat/completions", json=body(dummy=knobs), timeout=20)
        assert process.wait_for_exit() == 7
        assert process.termination_message()["reason"] == "EngineFailed"


def test_arguments_set_the_knobs_of_every_request(tmp_path: Path) -> None:
    arguments = ("--first-token-seconds=0.2", "--answer-tokens=3", "--fail-at-token=5")
    with runtime(tmp_path, engine_args=arguments) as process:
        process.wait_for_phase("ready")
        url = f"{process.data_url}/v1/chat/completions"
        started = time.monotonic()
        answer = httpx2.post(url, json=body())
        assert time.monotonic() - started >= 0.2
        assert answer.json()["choices"][0]["message"]["content"] == "tok0 tok1 tok2"
        assert httpx2.post(url, json=body(max_tokens=6)).status_code == 500
        assert httpx2.post(url, json=body(max_tokens=6, dummy={"fail_at_token": None})).status_code == 200
