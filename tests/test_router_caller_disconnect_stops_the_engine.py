"""When a caller leaves, the engine's connection is cut within a second, streamed or not."""

import asyncio
import json

import pytest

from tests.fakes.upstream import Received, Reply, chat_chunk, upstream
from tests.routers import KEY, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local


async def endless(received: Received, reply: Reply) -> None:
    if received.json.get("stream"):
        await reply.begin_stream()
        while True:
            await reply.event(chat_chunk("x"))
            await asyncio.sleep(0.01)
    await asyncio.Event().wait()


@pytest.mark.parametrize("stream", [True, False])
async def test_the_engine_stops(stream: bool) -> None:
    body = json.dumps(chat(stream=stream)).encode()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    async with upstream(endless) as engine, running_router([model("chat-a", engine.port)]) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write(request)
        await eventually_async("the engine works", lambda: len(engine.requests), lambda n: n == 1)
        if stream:
            await asyncio.wait_for(reader.readuntil(b"data: "), 5)
        assert await router.metric("slipway_router_in_flight_requests", model="chat-a") == 1
        writer.close()
        await writer.wait_closed()
        await eventually_async("the engine is let go", lambda: engine.abandoned, lambda n: n == 1, within=1.0)
        in_flight = await router.metric("slipway_router_in_flight_requests", model="chat-a")
        by_caller = await router.metric("slipway_router_aborted_total", by="client")
        status = await router.metric("slipway_router_requests_total", status="200" if stream else "499")
    assert (in_flight, by_caller, status) == (0, 1, 1)
