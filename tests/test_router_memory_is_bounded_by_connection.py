"""What one connection sends or leaves unread cannot fill the router's memory or keep an engine busy for nobody."""

import asyncio
import json
from collections.abc import Callable
from functools import partial

import pytest

from tests.fakes.upstream import Received, Reply, Upstream, upstream
from tests.routers import KEY, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local

BODY = json.dumps(chat()).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
POST = HEAD % KEY.encode() + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
ANSWER = {"text": "x" * 65536}
MANY = 1000


async def long_answer(received: Received, reply: Reply) -> None:
    await reply.json(ANSWER)


async def send_on(writer: asyncio.StreamWriter, piece: bytes, times: int) -> None:
    """Send ``piece`` again and again, without reading."""
    for _ in range(times):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.002)


def engine_has(engine: Upstream, count: int) -> bool:
    return len(engine.requests) == count


async def within(seconds: float, holds: Callable[[], bool]) -> bool:
    try:
        await eventually_async("", holds, bool, within=seconds)
    except AssertionError:
        return False
    return True


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_answers_that_nobody_reads_hold_further_requests_back() -> None:
    async with upstream(long_answer) as engine, running_router([model("chat-a", engine.port)]) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port, limit=65536)
        sent, taken = 0, True
        while taken and sent < MANY:
            writer.write(POST)
            sent += 1
            taken = await within(1.0, partial(engine_has, engine, sent))
        assert sent < MANY / 2
        for _ in range(sent):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200 ")
            await asyncio.wait_for(reader.readexactly(len(json.dumps(ANSWER))), 5)
        await close(writer)
    assert len(engine.requests) == sent


async def test_a_caller_who_leaves_answers_unread_is_cut_off() -> None:
    async with (
        upstream(long_answer) as engine,
        running_router([model("chat-a", engine.port)], request_timeout=0.5) as router,
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", router.router.port, limit=65536)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_on(writer, POST, 100_000), 20)
        await close(writer)


async def test_endless_trailers_are_cut_off() -> None:
    head = HEAD % KEY.encode() + b"transfer-encoding: chunked\r\n\r\n0\r\n"
    async with running_router() as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write(head)
        await send_on(writer, b"x-trailer: %b\r\n" % (b"y" * 65536), 64)
        got = await asyncio.wait_for(reader.read(), 10)
        await close(writer)
    assert got.startswith(b"HTTP/1.1 431 ")


async def test_what_follows_a_refused_request_reaches_no_engine() -> None:
    refused = HEAD % b"wrong" + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write(refused + POST)
        got = await asyncio.wait_for(reader.read(), 10)
        await close(writer)
    assert got.startswith(b"HTTP/1.1 401 ")
    assert got.count(b"HTTP/1.1 ") == 1
    assert not engine.requests
