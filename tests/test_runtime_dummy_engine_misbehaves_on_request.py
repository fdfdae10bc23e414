"""The dummy engine fails, slows down and breaks off exactly as a request asks."""

import time
from collections.abc import Iterator
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
