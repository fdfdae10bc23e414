"""When a caller leaves, what the engine had sent by then is in the account, and an engine that goes on is cut off."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes.upstream import chat_chunk
from tests.routers import KEY, RouterUnderTest, chat, model, running_router

pytestmark = pytest.mark.local
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
Engine = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def event(completion: int) -> bytes:
    usage = {"prompt_tokens": 5, "completion_tokens": completion}
    data = f"data: {json.dumps({**chat_chunk('x'), 'usage': usage})}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


async def request_head(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))


@asynccontextmanager
async def listening(engine: Engine) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await engine(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def hang_up_after_the_first_event(router: RouterUnderTest) -> None:
    body = json.dumps(chat(stream=True)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await asyncio.wait_for(reader.readuntil(b"data: "), 5)
    writer.close()
    await writer.wait_closed()


async def counted(router: RouterUnderTest) -> dict[str, Any]:
    """The account, once the request is in it."""
    for _ in range(200):
        totals: dict[str, Any] = (await router.request("GET", "/v1/usage")).json()["totals"]
        if totals["requests"]:
            return totals
        await asyncio.sleep(0.01)
    raise AssertionError("the request never came into the account")


async def test_what_was_on_its_way_counts() -> None:
    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event(1))
        await reader.read()  # Until the router has closed its side.
        writer.write(event(2) + event(3))

    async with listening(engine) as port, running_router([model("chat-a", port)]) as router:
        await hang_up_after_the_first_event(router)
        totals = await counted(router)
    assert (totals["prompt_tokens"], totals["completion_tokens"], totals["aborted"]) == (5, 3, 1)


async def test_an_engine_that_does_not_stop_is_cut_off() -> None:
    cut_off = asyncio.Event()

    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        try:
            for number in range(1, 10_000):
                writer.write(event(number))
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            cut_off.set()

    async with listening(engine) as port, running_router([model("chat-a", port)]) as router:
        await hang_up_after_the_first_event(router)
        await asyncio.wait_for(cut_off.wait(), 10)
        totals = await counted(router)
        in_flight = await router.metric("slipway_router_in_flight_requests", model="chat-a")
    assert (totals["prompt_tokens"], totals["aborted"], in_flight) == (5, 1, 0)
    assert totals["completion_tokens"] > 5


async def test_a_router_that_ends_counts_those_who_had_just_left() -> None:
    async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + event(1))
        await reader.read()
        writer.write(event(2))

    async with listening(engine) as port, running_router([model("chat-a", port)]) as router:
        await hang_up_after_the_first_event(router)
    (line,) = router.log_lines()
    assert (line["completion_tokens"], line["aborted_by"]) == (2, "client")
