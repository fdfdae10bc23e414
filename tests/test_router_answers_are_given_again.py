"""Answers that can only be the same are kept for models that allow it, and given again to equal requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from slipway_crds.engines import EngineType, Task
from slipway_crds.keys import hash_key
from slipway_router.app.options import CacheOptions, Features
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, Limits
from slipway_router.domain.requests.policy import CachePolicy, RequestPolicy
from tests.fakes.upstream import Received, Reply, Script, Upstream, openai_like, upstream
from tests.routers import KEY, RouterUnderTest, chat, model, running_router

OTHER_KEY = "sk-slipway-other"
PRIVATE = CachePolicy(ttl=3600, shared=False, max_entries=None, identity="1")
EMBEDDINGS = "/v1/embeddings"
CHAT = "/v1/chat/completions"


@asynccontextmanager
async def cached(
    policy: CachePolicy | None = PRIVATE, script: Script = openai_like, **options: int
) -> AsyncIterator[tuple[Upstream, RouterUnderTest]]:
    """An engine behind a router that keeps its answers."""
    features = Features(cache=CacheOptions(**options))
    async with upstream(script) as engine:
        served = model("m", engine.port, requests=RequestPolicy(cache=policy))
        async with running_router([served], features=features) as router:
            callers = ((KEY, "default/all"), (OTHER_KEY, "default/other"))
            router.keys.replace(KeyRing.of((hash_key(key), Key(Caller(name))) for key, name in callers))
            yield engine, router


async def asked(router: RouterUnderTest, content: Any, path: str = EMBEDDINGS, **options: Any) -> str:
    """What the router says of an answer: hit, miss, or nothing."""
    answer = await router.post(path, content, **options)
    assert answer.status_code == 200
    return str(answer.headers.get("x-slipway-cache", ""))


async def test_the_second_of_two_equal_requests_needs_no_engine() -> None:
    async with cached() as (engine, router):
        first = await router.post(EMBEDDINGS, {"model": "m", "input": "Hi"})
        second = await router.post(EMBEDDINGS, {"input": "Hi", "model": "m", "user": "ann"})
        assert first.json() == second.json()
        assert second.headers["content-type"] == first.headers["content-type"]
        assert (first.headers["x-slipway-cache"], second.headers["x-slipway-cache"]) == ("miss", "hit")
        assert ("age" in first.headers, second.headers["age"]) == (False, "0")
        assert first.headers["x-request-id"] != second.headers["x-request-id"]
        assert len(engine.requests) == 1


async def test_a_hit_costs_no_tokens() -> None:
    async with cached() as (_, router):
        for _ in range(3):
            await asked(router, {"model": "m", "input": "Hi"})
        assert await router.metric("slipway_router_tokens_total", model="m", kind="prompt") == 7
        assert await router.metric("slipway_router_requests_total", model="m", status="200") == 3
        numbers = [await router.metric(f"slipway_router_cache_{name}_total", model="m") for name in ("hits", "misses")]
        assert numbers == [2, 1]
        assert await router.metric("slipway_router_cache_stores_total", model="m") == 1
        assert await router.metric("slipway_router_cache_entries") == 1
    assert [line["prompt_tokens"] for line in router.log_lines()] == [7, 0, 0]


async def test_streams_come_again_as_streams() -> None:
    async with cached() as (engine, router):
        question = chat("m", temperature=0, stream=True, stream_options={"include_usage": True})
        first, second = [await router.post(CHAT, question) for _ in range(2)]
        assert (first.headers["x-slipway-cache"], second.headers["x-slipway-cache"]) == ("miss", "hit")
        assert second.headers["content-type"] == "text/event-stream"
        assert second.content == first.content
        assert second.text.endswith("data: [DONE]\n\n")
        assert await asked(router, chat("m", temperature=0), CHAT) == "miss"
        assert await asked(router, chat("m", temperature=0), CHAT) == "hit"
        assert len(engine.requests) == 2


async def test_openai_clients_read_a_stream_that_is_given_again() -> None:
    async with cached() as (engine, router):
        client = router.openai()
        texts = []
        for _ in range(2):
            stream = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "Hi"}], temperature=0, stream=True
            )
            texts.append("".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]))
        assert texts == ["Hello there", "Hello there"]
        assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0, "top_p": 0.9}, True),
        ({"top_k": 1}, True),
        ({"temperature": 0.7, "seed": 3}, True),
        ({"temperature": 0, "tools": [{"type": "function", "function": {"name": "f"}}]}, True),
        ({}, False),
        ({"temperature": 0.7}, False),
        ({"temperature": 0, "n": 2}, False),
        ({"temperature": 0, "tools": [{"type": "web_search"}]}, False),
        ({"temperature": 0, "web_search_options": {"x": 1}}, False),
        ({"temperature": 0, "store": True}, False),
    ],
)
async def test_texts_are_kept_if_nothing_in_them_is_chance(fields: dict[str, Any], kept: bool) -> None:
    async with cached() as (engine, router):
        said = [await asked(router, chat("m", **fields), CHAT) for _ in range(2)]
        assert said == (["miss", "hit"] if kept else ["", ""])
        assert len(engine.requests) == (1 if kept else 2)


async def test_the_models_default_temperature_counts() -> None:
    async with upstream() as engine:
        policy = RequestPolicy(cache=PRIVATE, sampling=(("temperature", b"0"),))
        async with running_router([model("m", engine.port, requests=policy)]) as router:
            assert [await asked(router, chat("m"), CHAT) for _ in range(2)] == ["miss", "hit"]
            assert await asked(router, chat("m", temperature=0), CHAT) == "hit"
            assert await asked(router, chat("m", temperature=1), CHAT) == ""


async def test_requests_differ_by_whatever_engines_see() -> None:
    async with cached() as (engine, router):
        requests: list[tuple[str, dict[str, Any]]] = [
            (EMBEDDINGS, {"model": "m", "input": "Hi"}),
            (EMBEDDINGS, {"model": "m", "input": "Ho"}),
            (EMBEDDINGS, {"model": "m", "input": "Hi", "dimensions": 2}),
            (CHAT, chat("m", temperature=0)),
            (CHAT, chat("m", temperature=0, max_tokens=5)),
            ("/v1/completions", {"model": "m", "prompt": "Hi", "temperature": 0}),
        ]
        assert [await asked(router, content, path) for path, content in requests] == ["miss"] * len(requests)
        assert len(engine.requests) == len(requests)


async def test_keys_share_answers_only_if_the_model_says_so() -> None:
    question = {"model": "m", "input": "Hi"}
    async with cached() as (_, router):
        assert await asked(router, question) == "miss"
        assert await asked(router, question, key=OTHER_KEY) == "miss"
        assert await asked(router, question, key=OTHER_KEY) == "hit"
    async with cached(replace(PRIVATE, shared=True)) as (_, router):
        assert await asked(router, question) == "miss"
        assert await asked(router, question, key=OTHER_KEY) == "hit"


async def test_a_changed_model_answers_anew() -> None:
    question = {"model": "m", "input": "Hi"}
    async with cached() as (_, router):
        assert [await asked(router, question) for _ in range(2)] == ["miss", "hit"]
        router.change("m", requests=RequestPolicy(cache=replace(PRIVATE, identity="2")))
        assert await asked(router, question) == "miss"
        router.change("m", requests=RequestPolicy())
        assert await asked(router, question) == ""


@pytest.mark.parametrize(
    ("wish", "said"),
    [("no-cache", ["miss", "miss", "hit"]), ("no-store", ["", "", "miss"]), ("max-age=0", ["miss", "hit", "hit"])],
)
async def test_callers_can_do_without(wish: str, said: list[str]) -> None:
    async with cached() as (_, router):
        question = {"model": "m", "input": "Hi"}
        answers = [await asked(router, question, headers={"cache-control": wish}) for _ in range(2)]
        assert [*answers, await asked(router, question)] == said


async def _no_answer(received: Received, reply: Reply) -> None:
    await reply.json({"error": {"message": "no"}}, status="400 Bad Request")


async def _half_a_stream(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    await reply.event({"choices": []})
    reply.die()


async def _failing_stream(received: Received, reply: Reply) -> None:
    await reply.begin_stream()
    await reply.event({"error": {"message": "out of memory"}})
    await reply.end_stream()


@pytest.mark.parametrize("script", [_no_answer, _half_a_stream, _failing_stream])
async def test_failures_are_not_kept(script: Script) -> None:
    async with cached(script=script) as (engine, router):
        for _ in range(2):
            await router.post(CHAT, chat("m", temperature=0, stream=True))
        assert len(engine.requests) == 2
        assert await router.metric("slipway_router_cache_stores_total") == 0
        assert await router.metric("slipway_router_cache_bytes") == 0


async def test_without_memory_nothing_is_kept() -> None:
    async with cached(max_bytes=0) as (_, router):
        assert [await asked(router, {"model": "m", "input": "Hi"}) for _ in range(2)] == ["", ""]


async def test_tei_requests_are_kept() -> None:
    async with upstream() as engine:

        async def vectors(received: Received, reply: Reply) -> None:
            await reply.json([[0.5, 0.5]])

        engine.script = vectors
        tei = model(
            "m",
            engine.port,
            engine=EngineType.ONNX,
            tasks=frozenset({Task.EMBEDDINGS}),
            requests=RequestPolicy(cache=PRIVATE),
        )
        async with running_router([tei]) as router:
            assert [await asked(router, {"inputs": "Hi"}, "/tei/m/embed") for _ in range(2)] == ["miss", "hit"]


async def test_a_hit_counts_for_the_limits_as_a_request_without_tokens() -> None:
    async with cached() as (_, router):
        limits = Limits(requests_per_minute=2, tokens_per_minute=1000)
        router.keys.replace(KeyRing.of([(hash_key(KEY), Key(Caller("default/all", limits=limits)))]))
        question = {"model": "m", "input": "Hi"}
        assert [await asked(router, question) for _ in range(2)] == ["miss", "hit"]
        refused = await router.post(EMBEDDINGS, question)
        assert refused.status_code == 429
        assert refused.headers["x-ratelimit-remaining-tokens"] == "990"
