"""Tokens are reserved by an estimate and settled by what the engine counted, however a request ends."""

import asyncio
import base64
from typing import Any

import pytest

from slipway_crds.engines import Task
from slipway_router.domain.callers.keys import Limits
from tests.fakes.upstream import USAGE, Received, Reply, chat_chunk, openai_like, upstream
from tests.limited_callers import LIMITED_KEY, limit
from tests.routers import RouterUnderTest, chat, eventually_async, model, running_router

LIMIT = 100_000
USED = USAGE["total_tokens"]
CHAT = "/v1/chat/completions"


async def left(router: RouterUnderTest, path: str, body: dict[str, Any]) -> int:
    """What a request leaves of the limit, as its own answer says."""
    answer = await router.post(path, body, LIMITED_KEY)
    return int(answer.headers["x-ratelimit-remaining-tokens"])


async def used(router: RouterUnderTest) -> int:
    """What is used by now; the asking is an embedding of a few tokens, and takes none from an engine that is gone."""
    body = {"model": "chat-a", "input": ""}
    return LIMIT - await left(router, "/v1/embeddings", body) - -(-len(b'{"model":"chat-a","input":""}') // 4)


async def test_an_answer_counts_as_the_engine_says() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        assert await left(router, CHAT, chat(max_tokens=2000)) < LIMIT - 2000
        assert await used(router) == USED


async def test_a_stream_counts_as_the_engine_says() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        assert await left(router, CHAT, chat(max_tokens=2000, stream=True)) < LIMIT - 2000
        assert await used(router) == USED


async def test_what_runs_is_reserved() -> None:
    may_answer = asyncio.Event()

    async def slow(received: Received, reply: Reply) -> None:
        if "embeddings" not in received.line:
            await may_answer.wait()
        await openai_like(received, reply)

    async with upstream(slow) as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        running = asyncio.ensure_future(router.post(CHAT, chat(max_tokens=2000), LIMITED_KEY))
        await eventually_async("it runs", lambda: len(engine.requests), lambda count: count == 1)
        assert 2000 < await used(router) < 2100
        may_answer.set()
        await running
        assert await used(router) == USED + USED  # Of the asking before, too.


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error"])
async def test_what_an_engine_refuses_costs_no_tokens(status: str) -> None:
    async def broken(_: Received, reply: Reply) -> None:
        await reply.json({"error": {"message": "no"}}, status)

    async with upstream(broken) as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        await left(router, CHAT, chat(max_tokens=2000))
        assert await used(router) == 0


async def test_what_reaches_no_engine_costs_a_request_and_no_tokens() -> None:
    async with running_router([model("chat-a", 1)]) as router:
        limit(router, Limits(requests_per_minute=2, tokens_per_minute=LIMIT))
        answers = [await router.post(CHAT, chat(max_tokens=2000), LIMITED_KEY) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [502, 502, 429]
        assert answers[2].headers["x-ratelimit-remaining-tokens"] == str(LIMIT)


async def test_a_caller_who_leaves_before_the_answer_gets_the_tokens_back() -> None:
    async def never(received: Received, reply: Reply) -> None:
        if "embeddings" in received.line:
            await openai_like(received, reply)
        else:
            await asyncio.Event().wait()

    async with upstream(never) as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT, concurrent_requests=1))
        leaving = asyncio.ensure_future(router.post(CHAT, chat(max_tokens=2000), LIMITED_KEY))
        await eventually_async("it runs", lambda: len(engine.requests), lambda count: count == 1)
        leaving.cancel()
        await eventually_async("it is over", lambda: b'"status":499' in router.log.getvalue(), lambda seen: seen)
        assert await used(router) == 0


async def test_a_stream_that_its_caller_leaves_costs_something() -> None:
    async def endless(received: Received, reply: Reply) -> None:
        if "embeddings" in received.line:
            await openai_like(received, reply)
            return
        await reply.begin_stream()
        while True:
            await reply.event(chat_chunk("more"))
            await asyncio.sleep(0.001)

    async with upstream(endless) as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        body = chat(max_tokens=2000, stream=True)
        async with router.streaming(body, LIMITED_KEY) as (_, lines):
            await anext(lines)
        await eventually_async("it is over", lambda: engine.abandoned, lambda count: count == 1)
        assert 0 < await used(router) < 2100


async def test_pictures_are_not_counted_as_text() -> None:
    picture = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4096).decode()
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": picture}}]
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        body = chat(max_tokens=100, messages=[{"role": "user", "content": content}])
        assert LIMIT - 300 < await left(router, CHAT, body) < LIMIT - 100


async def test_several_answers_count_several_times() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        assert LIMIT - 4100 < await left(router, CHAT, chat(max_tokens=1000, n=4)) < LIMIT - 4000


async def test_images_cost_no_tokens() -> None:
    async def paints(_: Received, reply: Reply) -> None:
        await reply.json({"created": 1, "data": []})

    painter = {"tasks": frozenset({Task.IMAGES}), "engine": "diffusers"}
    async with upstream(paints) as engine, running_router([model("painter", engine.port, **painter)]) as router:
        limit(router, Limits(tokens_per_minute=LIMIT))
        assert await left(router, "/v1/images/generations", {"model": "painter", "prompt": "x" * 4000}) == LIMIT
