"""A request for a sleeping model wakes it and waits, within bounds."""

import asyncio
from typing import Any

import pytest

from slipway_router.domain.models.catalogue import CallPolicy, Endpoint, Model
from tests.fakes.upstream import upstream
from tests.routers import chat, eventually_async, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"


class RecordingWaker:
    """Notes who is woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, model: Model) -> None:
        self.woken.append(model.name)


def sleeping(**fields: Any) -> Model:
    return model("chat-a", wakeable=True, phase="asleep", **fields)


async def test_it_is_answered_when_the_model_is_there() -> None:
    waker = RecordingWaker()
    async with upstream() as engine, running_router([sleeping()], waker=waker) as router:
        answers = [asyncio.create_task(router.post(CHAT, chat())) for _ in range(20)]
        await eventually_async("all wait", lambda: len(waker.woken), lambda n: n == 20)
        waiting = await router.metric("slipway_router_waiting_requests", model="chat-a")
        router.change("chat-a", endpoints=(Endpoint("127.0.0.1", engine.port),), phase="ready")
        statuses = [(await answer).status_code for answer in answers]
        still_waiting = await router.metric("slipway_router_waiting_requests", model="chat-a")
    assert statuses == [200] * 20
    assert (waiting, still_waiting) == (20, 0)


async def test_a_stream_hears_of_the_progress() -> None:
    async with (
        upstream() as engine,
        running_router([sleeping()], progress_interval=0.05) as router,
        router.streaming(chat(stream=True)) as (_, lines),
    ):
        assert (await anext(lines)).startswith(": slipway phase=asleep ")
        router.change("chat-a", phase="loading")
        while "phase=asleep" in (line := await anext(lines)):
            pass
        assert line.startswith(": slipway phase=loading ")
        router.change("chat-a", endpoints=(Endpoint("127.0.0.1", engine.port),))
        rest = [line async for line in lines if not line.startswith(":")]
    assert "Hello" in rest[0]
    assert rest[-1] == "data: [DONE]"


async def test_openai_clients_do_not_mind_the_progress() -> None:
    async with upstream() as engine, running_router([sleeping()], progress_interval=0.05) as router:
        # The call returns when the answer has begun: with the first word of progress.
        stream = await router.openai().chat.completions.create(**chat(stream=True))
        router.change("chat-a", endpoints=(Endpoint("127.0.0.1", engine.port),))
        texts = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    assert texts == ["Hello", " there"]


async def test_a_model_that_cannot_start_is_told_at_once() -> None:
    async with running_router([sleeping()], progress_interval=0.05) as router:
        plain = asyncio.create_task(router.post(CHAT, chat()))
        async with router.streaming(chat(stream=True)) as (_, lines):
            await anext(lines)
            router.change("chat-a", wakeable=False, phase="failed", reason="WeightsNotFound")
            streamed = [line async for line in lines]
        answer = await plain
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "model_unavailable"
    assert "WeightsNotFound" in answer.json()["error"]["message"]
    assert "model_unavailable" in streamed[-1]


async def test_the_wait_is_bounded() -> None:
    async with running_router([sleeping(policy=CallPolicy(hold_timeout=0.1))]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_the_number_of_waiting_requests_is_bounded() -> None:
    waker = RecordingWaker()
    async with running_router([sleeping(policy=CallPolicy(hold_length=1, hold_timeout=1))], waker=waker) as router:
        first = asyncio.create_task(router.post(CHAT, chat()))
        await eventually_async("one waits", lambda: len(waker.woken), lambda n: n == 1)
        second = await router.post(CHAT, chat())
        await first
    assert second.status_code == 503
    assert second.json()["error"]["code"] == "too_many_waiting"


async def test_a_caller_who_leaves_waits_no_more() -> None:
    waker = RecordingWaker()
    async with running_router([sleeping()], waker=waker) as router:
        pending = asyncio.create_task(router.post(CHAT, chat()))
        await eventually_async("it waits", lambda: len(waker.woken), lambda n: n == 1)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        await eventually_async("it is noticed", lambda: router.router.waiting("default/chat-a"), lambda n: n == 0)
        left = await router.metric("slipway_router_requests_total", status="499")
    assert left == 1
