"""A chat whose caller has left ends, and nobody hears of it as a mistake."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from slipway_router.adapters.api.inner_calls import InnerAnswer
from slipway_router.adapters.api.websocket_chat import ChatSocket
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


async def test_a_send_that_fails_is_no_mistake() -> None:
    left = asyncio.Event()
    events = [{"type": "websocket.connect"}, {"type": "websocket.receive", "bytes": orjson.dumps(CHAT)}]
    mistakes: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))

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
    socket = ChatSocket(calls, identify, calls, lambda: "id")
    scope = {"type": "websocket", "headers": [(b"x-api-key", b"KEY")]}
    await asyncio.wait_for(socket(scope, receive, send), 5)
    gc.collect()
    assert left.is_set()
    assert mistakes == []
