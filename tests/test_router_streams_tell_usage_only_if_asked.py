"""Engines are asked to tell usage in every stream; callers see of it what they asked for, and the ledger all of it."""

import json
from typing import Any

import pytest

from slipway_crds.engines import EngineType
from tests.fakes.upstream import Received, Reply, chat_chunk, upstream
from tests.routers import RouterUnderTest, chat, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"
EACH = {"prompt_tokens": 5, "total_tokens": 6, "completion_tokens": 1}
LAST = {"prompt_tokens": 5, "total_tokens": 7, "completion_tokens": 2}
TIMINGS = {"cache_n": 4, "prompt_n": 1, "predicted_n": 2}


async def obedient(received: Received, reply: Reply) -> None:
    """Tells what it is asked for."""
    options = received.json.get("stream_options") or {}
    more: dict[str, Any] = {}
    if options.get("continuous_usage_stats"):
        more["usage"] = EACH
    if received.json.get("timings_per_token"):
        more["timings"] = TIMINGS
    await reply.begin_stream()
    for text in ("Hello", " there"):
        await reply.event({**chat_chunk(text), **more})
    if options.get("include_usage"):
        await reply.event({**chat_chunk(""), "choices": [], "usage": LAST})
    await reply.end_stream()


async def events(router: RouterUnderTest, **fields: Any) -> list[dict[str, Any]]:
    answer = await router.post(CHAT, chat(stream=True, **fields))
    assert answer.text.endswith("data: [DONE]\n\n")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


async def used(router: RouterUnderTest) -> dict[str, Any]:
    totals: dict[str, Any] = (await router.request("GET", "/v1/usage")).json()["totals"]
    return totals


@pytest.mark.parametrize("engine", [EngineType.VLLM, EngineType.LLAMACPP, EngineType.DUMMY])
async def test_who_did_not_ask_sees_nothing(engine: EngineType) -> None:
    async with upstream(obedient) as up, running_router([model("chat-a", up.port, engine=engine)]) as router:
        seen = await events(router)
        counted = await used(router)
    assert seen == [chat_chunk("Hello"), chat_chunk(" there")]
    assert (counted["prompt_tokens"], counted["completion_tokens"], counted["requests"]) == (5, 2, 1)
    assert up.requests[0].json["stream_options"]["include_usage"] is True


@pytest.mark.parametrize("engine", [EngineType.VLLM, EngineType.LLAMACPP])
async def test_who_asked_for_the_last_chunk_gets_that(engine: EngineType) -> None:
    async with upstream(obedient) as up, running_router([model("chat-a", up.port, engine=engine)]) as router:
        seen = await events(router, stream_options={"include_usage": True})
    assert seen == [chat_chunk("Hello"), chat_chunk(" there"), {**chat_chunk(""), "choices": [], "usage": LAST}]


async def test_who_asked_for_everything_gets_it() -> None:
    wish = {"include_usage": True, "continuous_usage_stats": True, "other": 1}
    async with upstream(obedient) as up, running_router([model("chat-a", up.port)]) as router:
        seen = await events(router, stream_options=wish)
    assert [event["usage"] for event in seen] == [EACH, EACH, LAST]
    assert up.requests[0].json["stream_options"] == wish


async def test_timings_are_the_callers_if_asked_for() -> None:
    async with (
        upstream(obedient) as up,
        running_router([model("chat-a", up.port, engine=EngineType.LLAMACPP)]) as router,
    ):
        seen = await events(router, timings_per_token=True)
    assert [event.get("timings") for event in seen] == [TIMINGS, TIMINGS]


async def test_whole_answers_and_other_operations_are_left_as_they_are() -> None:
    async with upstream() as up, running_router([model("chat-a", up.port)]) as router:
        answer = (await router.post(CHAT, chat())).json()
        await router.post("/v1/embeddings", {"model": "chat-a", "input": "a"})
        counted = await used(router)
    assert answer["usage"]["completion_tokens"] == 3
    assert (counted["requests"], counted["prompt_tokens"], counted["completion_tokens"]) == (2, 14, 6)
    assert ["stream_options" in request.json for request in up.requests] == [False, False]


@pytest.mark.parametrize(
    ("engine", "prompt", "completion"),
    [(EngineType.VLLM, 5, 1), (EngineType.LLAMACPP, 5, 2), (EngineType.EXTERNAL, 0, 2)],
)
async def test_a_stream_that_breaks_off_is_counted_as_far_as_it_came(
    engine: EngineType, prompt: int, completion: int
) -> None:
    async def dying(received: Received, reply: Reply) -> None:
        options = received.json.get("stream_options") or {}
        await reply.begin_stream()
        for text in ("Hello", " there"):
            content = chat_chunk(text)
            if options.get("continuous_usage_stats"):
                content["usage"] = EACH
            if received.json.get("timings_per_token"):
                content["timings"] = TIMINGS
            await reply.event(content)
        reply.writer.close()

    async with upstream(dying) as up, running_router([model("chat-a", up.port)]) as router:
        router.change("chat-a", engine=engine)
        await router.post(CHAT, chat(stream=True))
        counted = await used(router)
    assert (counted["prompt_tokens"], counted["completion_tokens"], counted["aborted"]) == (prompt, completion, 1)
