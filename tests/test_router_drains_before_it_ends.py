"""A router that is told to end takes no new connections, finishes what runs, and cuts what takes too long.

On request it serves on for a while first, and sends its callers elsewhere with each answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.fakes.upstream import Received, Reply, chat_chunk, upstream
from tests.raw_http import request
from tests.routers import chat, eventually_async, model, running_router

pytestmark = pytest.mark.local


class Paced:
    """Streams an event, waits to be let on, and ends."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        await reply.event(chat_chunk("Hello"))
        await self.go_on.wait()
        await reply.event(chat_chunk("Bye"))
        await reply.end_stream()


async def test_streams_finish() -> None:
    paced = Paced()
    async with upstream(paced) as engine, running_router([model("chat-a", engine.port)]) as router:
        async with router.streaming(chat(stream=True)) as (_, lines):
            await anext(lines)
            url, admin = router.url, f"http://127.0.0.1:{router.router.admin_port}"
            stop = asyncio.create_task(router.router.stop(drain_seconds=10))
            async with httpx2.AsyncClient() as client:
                ready = (await client.get(f"{admin}/readyz")).status_code
                with pytest.raises(httpx2.ConnectError):
                    await client.get(f"{url}/health")
            paced.go_on.set()
            rest = [line async for line in lines]
        cut = await stop
    assert ready == 503
    assert "Bye" in rest[0]
    assert rest[-1] == "data: [DONE]"
    assert cut == 0


async def test_streams_that_take_too_long_are_cut() -> None:
    paced = Paced()
    async with upstream(paced) as engine, running_router([model("chat-a", engine.port)]) as router:
        async with router.streaming(chat(stream=True)) as (_, lines):
            await anext(lines)
            cut = await router.router.stop(drain_seconds=0.1)
            with pytest.raises(httpx2.TransportError):
                _ = [line async for line in lines]
        await eventually_async("the engine is let go", lambda: engine.abandoned, lambda n: n == 1)
    assert cut == 1


class Caller:
    """One connection that is kept; each answer is read by its ``Content-Length``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, **options: Any) -> bytes:
        """Send a request, and give the head of its answer. Raises IncompleteReadError when there is none."""
        self.writer.write(request(**options))
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        await self._reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        return head

    async def hangs_up(self) -> bool:
        """Whether the router closes next, without another word."""
        return not await self._reader.read(1)


@asynccontextmanager
async def caller(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def refuses_connections(port: int) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:  # Refused, or reset if the router stopped before it had taken this one.
                return
            writer.close()
            await asyncio.sleep(0.01)


LISTING: dict[str, Any] = {"method": b"GET", "target": b"/v1/models", "body": b""}


async def test_before_that_requests_are_taken_and_told_to_connect_anew() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        port = router.router.port
        async with caller(port) as hot, caller(port) as plain, caller(port) as new:
            assert b"connection: close" not in await hot.ask()
            assert b"connection: close" not in await hot.ask()
            assert b"connection: close" not in await plain.ask(**LISTING)
            stop = asyncio.create_task(router.router.stop(drain_seconds=10, delay_seconds=2))
            async with httpx2.AsyncClient() as client:
                admin = f"http://127.0.0.1:{router.router.admin_port}"
                assert (await client.get(f"{admin}/readyz")).status_code == 503
            assert b"connection: close" in await hot.ask()
            assert b"connection: close" in await plain.ask(**LISTING)
            assert b"connection: close" in await new.ask()
            async with caller(port) as later:
                assert b"connection: close" in await later.ask()
            assert [await each.hangs_up() for each in (hot, plain, new)] == [True, True, True]
        assert await stop == 0


async def test_a_connection_that_is_kept_is_closed_when_it_was_quiet_for_as_long() -> None:
    paced = Paced()
    async with upstream(paced) as engine, running_router([model("chat-a", engine.port)]) as router:
        async with caller(router.router.port) as quiet, router.streaming(chat(stream=True)) as (_, lines):
            await quiet.ask(**LISTING)
            await anext(lines)
            stop = asyncio.create_task(router.router.stop(drain_seconds=10, delay_seconds=0.3))
            assert await quiet.hangs_up()
            assert not stop.done()
            paced.go_on.set()
            assert [line async for line in lines][-1] == "data: [DONE]"
        assert await stop == 0


async def test_a_stream_that_never_told_leaves_time_for_a_request_that_follows_it() -> None:
    paced = Paced()
    async with upstream(paced) as engine, running_router([model("chat-a", engine.port)]) as router:
        port = router.router.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(json.dumps(chat(stream=True)).encode()))
        assert b"connection: close" not in (await reader.readuntil(b"\r\n\r\n")).lower()
        # Long enough for a machine that is busy elsewhere: within it, the next request must have come.
        stop = asyncio.create_task(router.router.stop(drain_seconds=10, delay_seconds=2))
        await refuses_connections(port)
        paced.go_on.set()
        await reader.readuntil(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert b"connection: close" in await Caller(reader, writer).ask(**LISTING)
        writer.close()
        assert await stop == 0
