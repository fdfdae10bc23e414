"""A caller who does not read makes the router stop reading from the engine, instead of storing the answer."""

import asyncio
import json

import pytest

from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import KEY, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local

PIECE = b"x" * 65536
ANSWER_BYTES = 64 * 1024 * 1024


class Flood:
    """Sends as fast as it is let."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, received: Received, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % ANSWER_BYTES)
        while self.sent < ANSWER_BYTES:
            await reply.raw(PIECE)
            self.sent += len(PIECE)


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
    body = json.dumps(chat()).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\ncontent-length: %d\r\n\r\n"
    writer.write((head % (KEY, len(body))).encode() + body)
    return reader, writer


async def test_the_engine_waits_and_the_answer_is_whole() -> None:
    flood = Flood()
    async with upstream(flood) as engine, running_router([model("chat-a", engine.port)]) as router:
        reader, writer = await ask(router.router.port)
        seen = [-1, -2]

        def stalled() -> bool:
            seen.append(flood.sent)
            return flood.sent > 0 and len(set(seen[-40:])) == 1

        await eventually_async("the engine is held back", stalled, bool, within=10)
        assert flood.sent < ANSWER_BYTES / 2
        await reader.readuntil(b"\r\n\r\n")
        got = len(await reader.readexactly(ANSWER_BYTES))
        writer.close()
        await writer.wait_closed()
    assert got == ANSWER_BYTES


async def test_a_caller_who_never_reads_is_cut_off() -> None:
    flood = Flood()
    async with upstream(flood) as engine, running_router([model("chat-a", engine.port)], caller_timeout=0.3) as router:
        _, writer = await ask(router.router.port)
        await eventually_async("the engine is let go", lambda: engine.abandoned, lambda n: n == 1, within=10)
        writer.transport.abort()
        by_caller = 0.0
        for _ in range(200):  # What the engine had sent is heard out first.
            by_caller = await router.metric("slipway_router_aborted_total", by="client")
            if by_caller:
                break
            await asyncio.sleep(0.01)
    assert by_caller == 1
