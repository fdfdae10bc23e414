"""A router that is told to end takes no new connections, finishes what runs, and cuts what takes too long."""

import asyncio

import httpx2
import pytest

from tests.fakes.upstream import Received, Reply, chat_chunk, upstream
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
