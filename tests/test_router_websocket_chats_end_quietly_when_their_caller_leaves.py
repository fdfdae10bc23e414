"""A chat whose caller leaves ends as one that is cancelled does, and nobody hears of it as a mistake."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from slipway_router.adapters.api.inner_calls import InnerAnswer
from slipway_router.adapters.api.sessions import Question
from slipway_router.adapters.api.websocket_chat import ChatSocket
from slipway_router.domain.api.simple_calls import chat_call
from slipway_router.domain.callers.keys import Caller
from tests.fakes.upstream import chat_chunk
from tests.websockets_chat import TURNS

CHAT = {"type": "chat", "id": "1", "model": "chat-a", "messages": TURNS}


class OneToken:
    """Inner calls with a single answer, which has a token and no end."""

    @asynccontextmanager
    async def open(self, *call: Any) -> AsyncIterator[InnerAnswer]:
        answer = InnerAnswer()
        answer.begin(200, [], None)
        answer.write([b"data: %b\n\n" % orjson.dumps(chat_chunk("Hi"))], last=False)
        yield answer


async def identify(headers: object, peer: str) -> Caller:
    return Caller("default/me")


class RememberedChat:
    """A session, and what is kept in it."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def question(self, *said: Any, stream: bool) -> Question:
        async def keep(text: str) -> None:
            for _ in range(10):
                await asyncio.sleep(0)  # Long enough for the connection to end.
            self.kept.append(text)

        return Question("chat-a", chat_call("chat-a", TURNS, {}, stream=stream), keep)


async def leave_at_the_first_token(frame: dict[str, Any], sessions: Any) -> None:
    """A connection with one chat, whose caller is gone when the token is to be sent."""
    left = asyncio.Event()
    events = [{"type": "websocket.connect"}, {"type": "websocket.receive", "bytes": orjson.dumps(frame)}]

    async def receive() -> Any:
        if not events:
            await left.wait()
            return {"type": "websocket.disconnect", "code": 1006}
        return events.pop(0)

    async def send(message: Any) -> None:
        if "token" in message.get("text", ""):
            left.set()
            raise OSError

    calls: Any = OneToken()
    socket = ChatSocket(calls, identify, sessions, lambda: "id")
    scope = {"type": "websocket", "headers": [(b"x-api-key", b"KEY")]}
    await asyncio.wait_for(socket(scope, receive, send), 5)
    assert left.is_set()


async def test_a_send_that_fails_is_no_mistake() -> None:
    mistakes: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))
    await leave_at_the_first_token(CHAT, RememberedChat())
    gc.collect()
    assert mistakes == []


async def test_a_session_keeps_what_came_until_then() -> None:
    sessions = RememberedChat()
    await leave_at_the_first_token({"type": "chat", "id": "1", "session": "s", "content": "Hi"}, sessions)
    assert sessions.kept == ["Hi"]
