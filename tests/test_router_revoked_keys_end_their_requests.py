"""What runs with a key ends soon after the key is gone: streams with an error event, and the engine's work, too."""

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest

from slipway_crds.keys import hash_key
from slipway_router.domain.callers.keys import Caller, Key, KeyRing
from tests.fakes.upstream import Received, Reply, Script, chat_chunk, upstream
from tests.routers import CHAT_KEY, KEY, RING, RouterUnderTest, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local
WITHIN = 2.0
VALID = 2.0
"""Seconds: a request must be able to begin in them on a busy machine."""
OTHERS = KeyRing.of((digest, key) for digest, key in RING.keys.items() if digest != hash_key(KEY))


async def streams_for_ever(received: Received, reply: Reply) -> None:
    """One event, then nothing more."""
    await reply.begin_stream()
    await reply.event(chat_chunk("Hello"))
    await asyncio.Event().wait()


async def streams_half_an_event(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    await reply.chunk(b'data: {"id": ')
    await asyncio.Event().wait()


async def never_answers(received: Received, reply: Reply) -> None:
    await asyncio.Event().wait()


async def stops_in_the_body(received: Received, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
    await asyncio.Event().wait()


def error_of(line: str) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(line.removeprefix("data: "))["error"]
    return error


async def test_a_stream_gets_an_error_event_and_the_engine_stops() -> None:
    async with upstream(streams_for_ever) as engine, running_router([model("chat-a", engine.port)]) as router:
        async with router.streaming(chat(stream=True)) as (answer, lines):
            assert "Hello" in await anext(lines)
            router.keys.replace(OTHERS)
            async with asyncio.timeout(WITHIN):
                error = error_of(await anext(lines))
                rest = [line async for line in lines]
        await eventually_async("the engine is let go", lambda: engine.abandoned, lambda count: count == 1)
        assert await router.metric("slipway_router_aborted_total", by="key") == 1
    assert (answer.status_code, error["code"], rest) == (200, "key_revoked", [])
    assert [(line["error"], line["aborted_by"]) for line in router.log_lines()] == [("key_revoked", "key")]


@pytest.mark.parametrize("script", [streams_half_an_event, stops_in_the_body])
async def test_an_answer_that_no_event_can_end_is_cut(script: Script) -> None:
    async with upstream(script) as engine, running_router([model("chat-a", engine.port)]) as router:
        asking = asyncio.create_task(router.post("/v1/chat/completions", chat(stream=True)))
        await eventually_async("the engine was asked", lambda: len(engine.requests), lambda count: count == 1)
        router.keys.replace(OTHERS)
        with pytest.raises(httpx2.RemoteProtocolError):
            await asyncio.wait_for(asking, WITHIN)
        await eventually_async("the engine is let go", lambda: engine.abandoned, lambda count: count == 1)


async def refused(router: RouterUnderTest, asking: "asyncio.Task[httpx2.Response]") -> str:
    """Take the key away; the code of the refusal."""
    router.keys.replace(OTHERS)
    answer = await asyncio.wait_for(asking, WITHIN)
    assert answer.status_code == 401
    return str(answer.json()["error"]["code"])


async def test_an_answer_that_has_not_begun_becomes_a_refusal() -> None:
    async with upstream(never_answers) as engine, running_router([model("chat-a", engine.port)]) as router:
        asking = asyncio.create_task(router.post("/v1/chat/completions", chat()))
        await eventually_async("the engine was asked", lambda: len(engine.requests), lambda count: count == 1)
        assert await refused(router, asking) == "key_revoked"
        await eventually_async("the engine is let go", lambda: engine.abandoned, lambda count: count == 1)


async def test_nobody_waits_for_a_sleeping_model_with_a_key_that_is_gone() -> None:
    sleeping = model("chat-a", wakeable=True)
    async with running_router([sleeping]) as router:
        asking = asyncio.create_task(router.post("/v1/chat/completions", chat()))
        await eventually_async("it waits", lambda: router.router.waiting("default/chat-a"), lambda count: count == 1)
        assert await refused(router, asking) == "key_revoked"
        assert router.router.waiting("default/chat-a") == 0


async def test_a_key_that_expires_ends_what_runs_with_it() -> None:
    async with upstream(streams_for_ever) as engine, running_router([model("chat-a", engine.port)]) as router:
        soon = Key(Caller("default/all"), expires_at=time.time() + VALID)
        router.keys.replace(KeyRing.of([(hash_key(KEY), soon)]))
        async with router.streaming(chat(stream=True)) as (_, lines):
            assert "Hello" in await anext(lines)
            async with asyncio.timeout(VALID + WITHIN):
                assert error_of(await anext(lines))["code"] == "expired_api_key"


async def test_other_keys_and_new_rights_of_the_same_key_disturb_nobody() -> None:
    go_on = asyncio.Event()

    async def waits(received: Received, reply: Reply) -> None:
        await reply.begin_stream()
        await reply.event(chat_chunk("Hello"))
        await go_on.wait()
        await reply.end_stream()

    narrowed = KeyRing.of([(hash_key(CHAT_KEY), Key(Caller("default/chat", models=("nothing",))))])
    async with (
        upstream(waits) as engine,
        running_router([model("chat-a", engine.port)]) as router,
        router.streaming(chat(stream=True)) as (_, lines),
    ):
        assert "Hello" in await anext(lines)
        other = asyncio.create_task(router.post("/v1/chat/completions", chat(stream=True), key=CHAT_KEY))
        await eventually_async("both run", lambda: len(engine.requests), lambda count: count == 2)
        router.keys.replace(narrowed)
        assert error_of(await anext(lines))["code"] == "key_revoked"
        go_on.set()
        assert (await other).text.endswith("data: [DONE]\n\n")
