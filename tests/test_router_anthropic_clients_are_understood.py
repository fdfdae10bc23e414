"""``/v1/messages``: Anthropic's key header, its header fields, its errors and its token counts."""

import json
from typing import Any

import pytest

from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import KEY, model, running_router

pytestmark = pytest.mark.local
MESSAGES = "/v1/messages"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "anthropic-beta": "x"}


def message(name: str = "chat-a", **fields: Any) -> dict[str, Any]:
    return {"model": name, "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **fields}


async def answers(received: Received, reply: Reply) -> None:
    await reply.json({"type": "message", "content": [], "usage": {"input_tokens": 7, "output_tokens": 3}})


async def test_a_message() -> None:
    async with upstream(answers) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(MESSAGES, message(), None, headers=HEADERS)
    assert answer.status_code == 200
    seen = engine.requests[0]
    assert seen.line == "POST /v1/messages HTTP/1.1"
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert "x-api-key" not in seen.headers
    (logged,) = router.log_lines()
    assert (logged["prompt_tokens"], logged["completion_tokens"]) == (7, 3)


async def streams(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}
    for event in (start, {"type": "content_block_delta"}, {"type": "message_delta", "usage": {"output_tokens": 3}}):
        await reply.chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    if received.json.get("breaks"):
        reply.die()
    else:
        await reply.raw(b"0\r\n\r\n")


async def test_tokens_of_a_stream_are_counted() -> None:
    async with upstream(streams) as engine, running_router([model("chat-a", engine.port)]) as router:
        await router.post(MESSAGES, message(stream=True))
    (logged,) = router.log_lines()
    assert (logged["prompt_tokens"], logged["completion_tokens"]) == (7, 3)


async def test_a_broken_stream_ends_with_an_error_event() -> None:
    async with upstream(streams) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(MESSAGES, message(stream=True, breaks=True))
    *_, name, data = answer.text.strip().splitlines()
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["type"] == "api_error"


@pytest.mark.parametrize(
    ("name", "key", "status", "kind"),
    [
        ("chat-a", "wrong", 401, "authentication_error"),
        ("nobody", KEY, 404, "not_found_error"),
        ("down", KEY, 503, "overloaded_error"),
        ("", KEY, 400, "invalid_request_error"),
        ("chat-a", KEY, 502, "api_error"),
    ],
)
async def test_errors_are_anthropics(name: str, key: str, status: int, kind: str) -> None:
    async with running_router([model("chat-a", 1), model("down")]) as router:
        answer = await router.post(MESSAGES, message(name), key)
    assert answer.status_code == status
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == kind
    assert answer.json()["error"]["message"]


async def test_an_engines_refusal_is_told_in_anthropics_words() -> None:
    async def refuses(received: Received, reply: Reply) -> None:
        await reply.json({"error": {"message": "too long", "code": 400}}, "400 Bad Request")

    async with upstream(refuses) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post(MESSAGES, message())
    assert answer.json() == {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}
