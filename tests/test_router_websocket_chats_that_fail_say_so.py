"""A mistake of the router's in a chat is told: to its caller by a frame, and in the log with a traceback."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from slipway_router.adapters.api.inner_calls import InnerAnswer
from slipway_router.adapters.api.websocket_chat import ChatSocket
from slipway_router.domain.callers.keys import Caller
from tests.fakes.upstream import chat_chunk
from tests.websockets_chat import TURNS

KEY = [(b"x-api-key", b"KEY")]
BREAKS = {"type": "chat", "id": "a", "model": "breaks", "messages": TURNS}
WORKS = {"type": "chat", "id": "b", "model": "works", "messages": TURNS}
LEAVES: dict[str, Any] = {"type": "websocket.disconnect", "code": 1000}


class MistakeError(Exception):
    """One that nobody foresaw."""


class HalfBroken:
    """Inner calls that give one token, or fail."""

    @asynccontextmanager
    async def open(self, path: str, body: bytes, *call: Any) -> AsyncIterator[InnerAnswer]:
        if b"breaks" in body:
            raise MistakeError
        answer = InnerAnswer()
        answer.begin(200, [], None)
        answer.write([b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps(chat_chunk("Hi"))], last=True)
        yield answer


async def identify(headers: object, peer: str) -> Caller:
    return Caller("default/me")


async def cannot_identify(headers: object, peer: str) -> Caller:
    raise MistakeError


async def served(
    frames: Sequence[dict[str, Any]], who: Any = identify, headers: list[tuple[bytes, bytes]] | None = None
) -> list[dict[str, Any]]:
    """What an application says to a caller who sends these frames one after another is answered, then leaves."""
    said: list[dict[str, Any]] = []
    answered = asyncio.Semaphore(0)
    coming = iter([{"type": "websocket.receive", "bytes": orjson.dumps(frame)} for frame in frames])
    begun = False

    async def receive() -> dict[str, Any]:
        nonlocal begun
        if not begun:
            begun = True
            return {"type": "websocket.connect"}
        if headers is not None:
            await answered.acquire()
        return next(coming, LEAVES)

    async def send(message: Any) -> None:
        said.append(message)
        if any(kind in message.get("text", "") for kind in ('"ready"', '"done"', '"error"')):
            answered.release()

    calls: Any = HalfBroken()
    unused: Any = None
    socket = ChatSocket(calls, who, unused, lambda: "id")
    await asyncio.wait_for(socket({"type": "websocket", "headers": headers or []}, receive, send), 5)
    return said


def frames_in(said: list[dict[str, Any]]) -> list[Any]:
    return [orjson.loads(message["text"]) for message in said if message["type"] == "websocket.send"]


def mistakes(caplog: pytest.LogCaptureFixture) -> list[object]:
    """Types of the exceptions whose tracebacks are in the log."""
    return [record.exc_info[0] for record in caplog.records if record.levelno == logging.ERROR and record.exc_info]


async def test_a_chat_gets_an_error_and_the_connection_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    _, failed, *rest = frames_in(await served([BREAKS, WORKS], headers=KEY))
    assert (failed["type"], failed["id"], failed["error"]["code"]) == ("error", "a", "internal_error")
    assert [(frame["type"], frame["id"]) for frame in rest] == [("token", "b"), ("done", "b")]
    assert mistakes(caplog) == [MistakeError]


async def test_a_connection_that_fails_is_closed_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    said = await served([{"type": "auth", "key": "sk"}], cannot_identify)
    (failed,) = frames_in(said)
    assert (failed["type"], failed["id"], failed["error"]["code"]) == ("error", None, "internal_error")
    assert said[-1] == {"type": "websocket.close", "code": 1011}
    assert mistakes(caplog) == [MistakeError]


async def test_a_handshake_that_fails_is_refused_as_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    start, body = await served([], cannot_identify, KEY)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 500)
    assert orjson.loads(body["body"])["error"]["code"] == "internal_error"
    assert mistakes(caplog) == [MistakeError]
