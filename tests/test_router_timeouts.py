"""Engines that stay silent, and callers that dribble, are given up."""

import asyncio

import pytest

from slipway_router.domain.models.catalogue import CallPolicy
from tests.fakes.upstream import Received, Reply, chat_chunk, upstream
from tests.routers import chat, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"


async def silent(received: Received, reply: Reply) -> None:
    await asyncio.Event().wait()


async def falls_silent(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    await reply.event(chat_chunk("Hello"))
    await asyncio.Event().wait()


async def test_no_first_byte_is_a_504() -> None:
    policy = CallPolicy(first_byte_timeout=0.1)
    async with upstream(silent) as engine, running_router([model("chat-a", engine.port, policy=policy)]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "engine_timeout"
    assert len(engine.requests) == 1
    assert engine.abandoned == 1


async def test_a_stream_that_falls_silent_ends_with_an_error_event() -> None:
    policy = CallPolicy(idle_timeout=0.1)
    async with (
        upstream(falls_silent) as engine,
        running_router([model("chat-a", engine.port, policy=policy)]) as router,
    ):
        answer = await router.post(CHAT, chat(stream=True))
    assert "engine_error" in answer.text.splitlines()[-2]
    assert engine.abandoned == 1


async def test_a_request_must_arrive_in_time() -> None:
    async with running_router(request_timeout=0.1) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n")
        got = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in got
