"""A WebSocket client that chats."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.routers import KEY, RouterUnderTest

TURNS = [{"role": "user", "content": "Hi"}]


class ChatClient:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def chat(self, chat_id: str = "1", **fields: Any) -> None:
        defaults = {} if "session" in fields else {"model": "chat-a", "messages": TURNS}
        await self.say(type="chat", id=chat_id, **{**defaults, **fields})

    async def hear(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Frames up to the first of this type, which comes last."""
        frames = [await self.hear()]
        while frames[-1]["type"] != kind:
            frames.append(await self.hear())
        return frames


@asynccontextmanager
async def chatting(router: RouterUnderTest, key: str | None = KEY) -> AsyncIterator[ChatClient]:
    """A connection; with a key, one that is ready."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with connect(router.url.replace("http", "ws") + "/chat/ws", additional_headers=headers) as connection:
        client = ChatClient(connection)
        if key:
            assert await client.hear() == {"type": "ready"}
        yield client
