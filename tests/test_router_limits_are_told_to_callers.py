"""Callers with limits learn from every answer how they stand, and from a refusal when to come again."""

import asyncio
import re
from typing import Any

import httpx2
import openai
import pytest

from slipway_router.domain.callers.keys import Limits
from tests.fakes.upstream import Received, Reply, openai_like, upstream
from tests.limited_callers import LIMITED_KEY, LIMITED_NAME, limit
from tests.routers import RouterUnderTest, chat, eventually_async, model, running_router

ALL = Limits(requests_per_minute=3, tokens_per_minute=10_000, tokens_per_day=50_000, concurrent_requests=5)


async def ask(router: RouterUnderTest, path: str = "/v1/chat/completions", **fields: Any) -> tuple[int, dict[str, str]]:
    answer = await router.post(path, chat(**fields), LIMITED_KEY)
    return answer.status_code, {k: v for k, v in answer.headers.items() if k.startswith("x-ratelimit-")}


async def test_headers_of_an_answer() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, ALL)
        status, headers = await ask(router, max_tokens=100)
        assert status == 200
        left = int(headers["x-ratelimit-remaining-tokens"])
        assert 9_800 < left < 9_900  # 100 for the answer and some for the prompt.
        until_midnight = headers.pop("x-ratelimit-reset-tokens-day")
        assert re.fullmatch(r"(\d+h)?(\d+m)?\d+s", until_midnight)
        assert headers == {
            "x-ratelimit-limit-requests": "3",
            "x-ratelimit-remaining-requests": "2",
            "x-ratelimit-reset-requests": "1m1s",
            "x-ratelimit-limit-tokens": "10000",
            "x-ratelimit-remaining-tokens": str(left),
            "x-ratelimit-reset-tokens": "1m1s",
            "x-ratelimit-limit-tokens-day": "50000",
            "x-ratelimit-remaining-tokens-day": str(left + 40_000),
        }


async def test_callers_without_limits_get_no_such_headers() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits())
        assert await ask(router) == (200, {})


async def test_an_error_of_the_engine_has_the_headers_too() -> None:
    async def broken(_: Received, reply: Reply) -> None:
        await reply.json({"error": {"message": "no"}}, "400 Bad Request")

    async with upstream(broken) as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(requests_per_minute=3))
        status, headers = await ask(router)
        assert (status, headers["x-ratelimit-remaining-requests"]) == (400, "2")


@pytest.mark.parametrize(
    ("limits", "kind", "what"),
    [
        (Limits(requests_per_minute=1), "requests", "1 requests per minute"),
        (Limits(tokens_per_minute=10), "tokens", "10 tokens per minute (0 left, this request may use about 33)"),
        (Limits(tokens_per_day=10), "tokens", "10 tokens per day (UTC) (0 left, this request may use about 33)"),
    ],
)
async def test_openai_clients_understand_a_refusal(limits: Limits, kind: str, what: str) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, limits)
        client = router.openai(LIMITED_KEY)
        messages = [{"role": "user", "content": "x" * 14}]
        asked = {"model": "chat-a", "messages": messages, "max_tokens": 10}
        await client.chat.completions.create(**asked)  # type: ignore[call-overload]
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(**asked)  # type: ignore[call-overload]
        error = caught.value
        assert (error.code, error.type) == ("rate_limit_exceeded", kind)
        assert error.message.count(f"Rate limit reached for {LIMITED_NAME}: {what}. Try again in ") == 1
        assert int(error.response.headers["retry-after"]) > 0
        assert len(engine.requests) == 1


async def test_an_openai_client_comes_again_by_itself() -> None:
    engine_may_answer = asyncio.Event()

    async def slow(received: Received, reply: Reply) -> None:
        await engine_may_answer.wait()
        await openai_like(received, reply)

    async with upstream(slow) as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(concurrent_requests=1))
        first = asyncio.ensure_future(router.post("/v1/chat/completions", chat(), LIMITED_KEY))
        await eventually_async("the first runs", lambda: len(engine.requests), lambda count: count == 1)
        client = router.openai(LIMITED_KEY).with_options(max_retries=2)
        asking = client.chat.completions.create(model="chat-a", messages=[{"role": "user", "content": "Hi"}])
        second = asyncio.ensure_future(asking)
        await eventually_async("one is refused", lambda: b'"status":429' in router.log.getvalue(), lambda seen: seen)
        engine_may_answer.set()
        assert (await first).status_code == 200
        assert (await second).choices[0].message.content == "Hello there"


async def test_anthropic_clients_get_their_own_error() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(concurrent_requests=1, tokens_per_minute=1))
        await ask(router)
        body = {"model": "chat-a", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
        answer = await router.post("/v1/messages", body, LIMITED_KEY)
        assert answer.status_code == 429
        assert answer.json()["error"]["type"] == "rate_limit_error"


async def test_refusals_are_counted_by_key_and_limit() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        limit(router, Limits(requests_per_minute=1))
        statuses = [(await ask(router))[0] for _ in range(3)]
        assert statuses == [200, 429, 429]
        name = "slipway_router_limited_requests_total"
        labels = {"namespace": "default", "model": "chat-a", "key": LIMITED_NAME, "limit": "requests_per_minute"}
        assert await router.metric(name, **labels) == 2


async def test_without_a_store_there_are_no_metrics_of_it() -> None:
    async with running_router() as router, httpx2.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{router.router.admin_port}/metrics")).text
    assert "slipway_router_limited_requests_total" in text
    assert "limit_store" not in text
