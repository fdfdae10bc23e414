"""A request that no replica took waits for one to come back, if the model is one that comes back by itself."""

import asyncio
from typing import Any

import pytest

from slipway_router.domain.models.catalogue import CallPolicy, Endpoint, Model
from tests.fakes.upstream import Received, Reply, openai_like, upstream
from tests.routers import chat, eventually_async, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"


class DiesFirst:
    """Dies of its first requests, and answers later ones."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths

    async def __call__(self, received: Received, reply: Reply) -> None:
        self.deaths -= 1
        if self.deaths >= 0:
            reply.die()
        else:
            await openai_like(received, reply)


def coming_back(*ports: int, **fields: Any) -> Model:
    return model("chat-a", *ports, wakeable=True, **fields)


async def test_a_request_waits_for_the_only_replica_to_return() -> None:
    async with upstream() as engine:
        port = engine.port
        async with running_router([coming_back(1)]) as router:
            pending = asyncio.create_task(router.post(CHAT, chat()))
            await eventually_async("it waits", lambda: router.router.waiting("default/chat-a"), lambda n: n == 1)
            router.change("chat-a", endpoints=(Endpoint("127.0.0.1", port),))
            answer = await pending
    assert answer.status_code == 200


async def test_a_replica_that_died_is_tried_again_after_a_rest() -> None:
    async with upstream(DiesFirst(1)) as engine, running_router([coming_back(engine.port)]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 200
    assert len(engine.requests) == 2


async def test_a_request_that_kills_every_replica_is_not_tried_for_ever() -> None:
    async with upstream(DiesFirst(100)) as engine, running_router([coming_back(engine.port)]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 502
    assert len(engine.requests) == 3


async def test_the_whole_wait_is_bounded_however_often_it_is_tried() -> None:
    policy = CallPolicy(hold_timeout=0.8)
    async with running_router([coming_back(1, policy=policy)]) as router:
        answer = await router.post(CHAT, chat())
        lines = await eventually_async("it is logged", router.log_lines, bool)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
    assert lines[-1]["attempts"] >= 2


async def test_other_models_fail_at_once() -> None:
    async with running_router([model("chat-a", 1)]) as router:
        answer = await router.post(CHAT, chat())
    assert answer.status_code in (502, 503)
    assert answer.json()["error"]["code"] == "engine_unreachable"
