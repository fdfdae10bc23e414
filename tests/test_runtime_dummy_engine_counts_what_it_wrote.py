"""The dummy engine tells usage with every chunk if asked, and keeps an account of the tokens that it really wrote."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local
EVERY_CHUNK = {"include_usage": True, "continuous_usage_stats": True}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("dummy")
    with runtime(folder) as process:
        process.wait_for_phase("ready")
        yield process


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "one two"}], **fields}


def post(process: RuntimeProcess, name: str, path: str, content: dict[str, Any]) -> httpx2.Response:
    return httpx2.post(f"{process.data_url}{path}", json=content, headers={"x-request-id": name})


def counted(process: RuntimeProcess, name: str) -> tuple[int, int] | None:
    count = httpx2.get(f"{process.data_url}/dummy/ledger").json()["requests"].get(name)
    return None if count is None else (count["prompt_tokens"], count["completion_tokens"])


def test_every_chunk_tells_what_was_counted_so_far(process: RuntimeProcess) -> None:
    answer = post(process, "every", "/v1/chat/completions", body(stream=True, max_tokens=3, stream_options=EVERY_CHUNK))
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert [event["usage"]["completion_tokens"] for event in events] == [1, 2, 3, 3, 3]
    assert {event["usage"]["prompt_tokens"] for event in events} == {2}
    assert [len(event["choices"]) for event in events] == [1, 1, 1, 1, 0]


def test_whole_answers_are_counted(process: RuntimeProcess) -> None:
    post(process, "chat", "/v1/chat/completions", body(max_tokens=4))
    post(process, "stream", "/v1/chat/completions", body(max_tokens=5, stream=True))
    post(process, "text", "/v1/completions", {"model": "m", "prompt": "a b c", "max_tokens": 6})
    post(process, "vector", "/v1/embeddings", {"model": "m", "input": ["a b", "c"]})
    post(process, "refused", "/v1/chat/completions", body(dummy={"fail_status": 503}))
    seen = [counted(process, name) for name in ("chat", "stream", "text", "vector", "refused")]
    assert seen == [(2, 4), (2, 5), (3, 6), (3, 0), None]


def test_a_stream_that_breaks_off_is_counted_up_to_there(process: RuntimeProcess) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        post(process, "broken", "/v1/chat/completions", body(stream=True, max_tokens=9, dummy={"fail_at_token": 4}))
    assert counted(process, "broken") == (2, 4)


def test_after_a_hang_up_nothing_is_counted_but_all_that_was_read_is(process: RuntimeProcess) -> None:
    content = json.dumps(body(stream=True, max_tokens=100_000, dummy={"tokens_per_second": 200})).encode()
    with socket.create_connection(("127.0.0.1", process.env.data_port)) as sock:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-request-id: gone\r\ncontent-length: {len(content)}\r\n"
        )
        sock.sendall(head.encode() + b"\r\n" + content)
        received = b""
        while received.count(b"tok") < 20:
            received += sock.recv(65536)
        sock.shutdown(socket.SHUT_WR)
        while more := sock.recv(65536):
            received += more
    assert counted(process, "gone") == (2, received.count(b'"content":"'))


def test_held_tokens_come_out_after_release(process: RuntimeProcess) -> None:
    url = f"{process.data_url}/v1/chat/completions"
    assert httpx2.post(f"{process.data_url}/dummy/hold").json() == {"held": True}
    try:
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(url, json=body(), headers={"x-request-id": "held"}, timeout=httpx2.Timeout(10, read=0.2))
    finally:
        httpx2.post(f"{process.data_url}/dummy/release")
    eventually(
        "the engine has nothing to do",
        process.state,
        lambda state: state is not None and not state["inFlight"],
        within=20,
    )
    assert counted(process, "held") is None
    assert post(process, "later", "/v1/chat/completions", body(max_tokens=2)).is_success
    assert counted(process, "later") == (2, 2)
