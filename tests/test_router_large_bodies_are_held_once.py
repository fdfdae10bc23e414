"""A body of tens of megabytes is in the router's memory once, and all bodies together stay within a limit."""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from benchmarks.router.traffic import KEY, MODEL
from slipway_crds.engines import EngineType
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.requests.bodies import Bodies
from tests.fakes.upstream import Received, Reply, Upstream, openai_like, upstream
from tests.routers import KEY as TEST_KEY
from tests.routers import chat, eventually_async, model, running_router
from tests.runtimes import free_port

CHAT = "/v1/chat/completions"
SIZE = 30_000_000
MOST_GROWTH = 1.3
"""Of the resident memory, as a multiple of the body: the body itself, and what is under way in sockets."""


def exchange() -> Exchange:
    return Exchange(BY_PATH[CHAT.encode()], {}, "", "r", 0.0)


def test_bodies_are_gathered_and_counted() -> None:
    bodies, one, other = Bodies(limit=10), exchange(), exchange()
    assert [bodies.add(one, piece) for piece in (b"abc", b"de", b"f")] == [True] * 3
    assert one.body == b"abcdef"
    assert [bodies.add(other, piece) for piece in (b"1234", b"5")] == [True, False]
    assert (other.body, bodies.size) == (b"1234", 10)
    bodies.drop(one)
    bodies.drop(one)
    assert (one.body, bodies.size) == (b"", 4)
    assert bodies.add(other, b"56789x")


@asynccontextmanager
async def router_process(engine: Upstream) -> AsyncIterator[tuple[Process, int]]:
    """A router in a process of its own, with the event loop that it has in production."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.router.slipway", str(port), str(engine.port)
    )
    try:
        await eventually_async("the router listens", lambda: port, is_open, within=20)
        yield process, port
    finally:
        process.terminate()
        await process.wait()


def is_open(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", timeout=1).is_success
    except httpx2.TransportError:
        return False


def resident(process: Process, field: str) -> int:
    """``VmRSS`` now or ``VmHWM``, the most so far, in bytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def picture(size: int, **fields: object) -> bytes:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}
    return json.dumps({"messages": [{"role": "user", "content": [part]}], **fields}).encode()


@pytest.mark.local
async def test_a_picture_of_30_megabytes() -> None:
    body, headers = picture(SIZE, model=MODEL), {"authorization": f"Bearer {KEY}"}
    async with upstream() as engine, router_process(engine) as (process, port):
        async with httpx2.AsyncClient(timeout=60, headers=headers) as client:
            url = f"http://127.0.0.1:{port}{CHAT}"
            await client.post(url, content=picture(1, model=MODEL))
            before = resident(process, "VmRSS")
            answers = [await client.post(url, content=body) for _ in range(3)]
        growth = resident(process, "VmHWM") - before
    assert [answer.status_code for answer in answers] == [200] * 3
    assert engine.requests[-1].body == body
    assert SIZE * 0.9 < growth < SIZE * MOST_GROWTH, growth / SIZE


@pytest.mark.local
async def test_all_bodies_together_are_bounded() -> None:
    answer_now = asyncio.Event()

    async def waits(received: Received, reply: Reply) -> None:
        await answer_now.wait()
        await openai_like(received, reply)

    body = picture(600_000, model="chat-a")
    async with upstream(waits) as engine, running_router([model("chat-a", engine.port)], max_buffered_bytes=10**6) as r:
        first = asyncio.ensure_future(r.request("POST", CHAT, content=body))
        await eventually_async("the engine has it", lambda: len(engine.requests), bool)
        held = await r.metric("slipway_router_buffered_bytes")
        second = await r.request("POST", CHAT, content=body)
        answer_now.set()
        answers = [await first, await r.request("POST", CHAT, content=body)]
        left = await r.metric("slipway_router_buffered_bytes")
    assert (second.status_code, second.json()["error"]["code"]) == (503, "router_overloaded")
    assert second.headers["retry-after"] == "1"
    assert [answer.status_code for answer in answers] == [200, 200]
    assert (held, left) == (len(body), 0)


@pytest.mark.local
@pytest.mark.parametrize(
    "fate",
    ["refused", "unknown model", "too large", "caller leaves early", "caller leaves", "engine dies", "sent ahead"],
)
async def test_nothing_is_held_of_requests_that_are_over(fate: str) -> None:
    async def acts(received: Received, reply: Reply) -> None:
        if fate == "engine dies":
            reply.die()
        elif "leaves" in fate:
            await asyncio.sleep(60)
        else:
            await openai_like(received, reply)

    key = "wrong" if fate == "refused" else TEST_KEY
    body = json.dumps(chat("nobody" if fate == "unknown model" else "chat-a")).encode()
    body = body + b" " * (300_000 if fate == "too large" else 100_000)
    fields = f"host: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    head = f"POST {CHAT} HTTP/1.1\r\n{fields}".encode()
    unread = body[:-1] if fate == "caller leaves early" else body
    times = 3 if fate == "sent ahead" else 1
    async with (
        upstream(acts) as engine,
        running_router([model("chat-a", engine.port)], max_body_bytes=200_000) as router,
    ):
        bodies = router.router.pipeline.bodies
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write((head + unread) * times)
        if fate == "caller leaves early":
            await eventually_async("the body is held", lambda: bodies.size, lambda size: size == len(unread))
        elif "leaves" in fate:
            await eventually_async("the engine has it", lambda: len(engine.requests), bool)
        elif fate in ("engine dies", "sent ahead"):
            await eventually_async("the engine had it", lambda: len(engine.requests), lambda count: count >= times)
        else:
            assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 4")
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        await eventually_async("nothing is held", lambda: bodies.size, lambda size: size == 0)


@pytest.mark.local
async def test_an_engine_that_reads_slowly_gets_all_of_it() -> None:
    body = picture(5_000_000, model="m")
    got = bytearray()

    async def read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while len(got) < len(body):
            got.extend(await reader.read(100_000))
            await asyncio.sleep(0.002)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(read_slowly, "127.0.0.1", 0)
    able = model("m", server.sockets[0].getsockname()[1], engine=EngineType.VLLM)
    async with server, running_router([able]) as router:
        answer = await router.request("POST", CHAT, content=body)
    assert answer.status_code == 200
    assert bytes(got) == body
