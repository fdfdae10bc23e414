"""Several routers with one store admit together exactly what one would."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from slipway_router.domain.callers.keys import Limits
from tests.eventually import eventually
from tests.fakes.upstream import Received, Reply, openai_like, upstream
from tests.limited_callers import LIMITED_KEY
from tests.router_replicas import RunningReplica, running_replica
from tests.routers import chat
from tests.store_programs import StoreProgram
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
pytestmark = pytest.mark.local

CALLERS = 1000
LIMIT = 100


async def storm(replicas: list[RunningReplica]) -> list[httpx2.Response]:
    """The answers to callers who all come at once, to each replica in turn."""
    headers = {"authorization": f"Bearer {LIMITED_KEY}"}
    bounds = httpx2.Limits(max_connections=CALLERS)
    async with httpx2.AsyncClient(timeout=60, headers=headers, limits=bounds) as client:

        def ask(number: int) -> Awaitable[httpx2.Response]:
            url = replicas[number % len(replicas)].url
            return client.post(f"{url}/v1/chat/completions", json=chat())

        return await asyncio.gather(*(ask(number) for number in range(CALLERS)))


@pytest.mark.parametrize("store_server", StoreProgram, indirect=True)
async def test_a_thousand_callers_at_two_routers(store_server: StoreServer, tmp_path: Path) -> None:
    features, limits = {"store": {"url": store_server.url, "timeout": 5}}, Limits(requests_per_minute=LIMIT)
    async with upstream() as engine:
        with (
            running_replica(tmp_path, engine.port, limits, features) as one,
            running_replica(tmp_path, engine.port, limits, features) as other,
        ):
            begun = time.monotonic()
            answers = await storm([one, other])
            took = time.monotonic() - begun
            assert Counter(answer.status_code for answer in answers) == {200: LIMIT, 429: CALLERS - LIMIT}
            assert len(engine.requests) == LIMIT
            refused = [answer for answer in answers if answer.status_code == 429]
            assert {answer.json()["error"]["code"] for answer in refused} == {"rate_limit_exceeded"}
            # A minute after the first of those that passed.
            assert all(60 - took <= int(answer.headers["retry-after"]) <= 61 for answer in refused)
            assert [int(a.headers["x-ratelimit-remaining-requests"]) for a in refused] == [0] * len(refused)
            left = sorted(int(a.headers["x-ratelimit-remaining-requests"]) for a in answers if a.status_code == 200)
            assert left == list(range(LIMIT))


async def test_tokens_are_settled_for_all_routers(store_server: StoreServer, tmp_path: Path) -> None:
    features, limits = {"store": {"url": store_server.url, "timeout": 5}}, Limits(tokens_per_minute=2100)
    async with upstream() as engine:
        with (
            running_replica(tmp_path, engine.port, limits, features) as one,
            running_replica(tmp_path, engine.port, limits, features) as other,
        ):
            # Each request reserves nearly all and uses ten.
            for number, replica in enumerate([one, other, one, other]):
                answer = await _eventually_admitted(replica, max_tokens=2000, stream=number % 2 == 0)
                assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 100


async def _eventually_admitted(replica: RunningReplica, **fields: Any) -> httpx2.Response:
    """Settling is not waited for, so what another router settled may take a moment to be seen."""
    return await asyncio.to_thread(
        eventually, "admitted", lambda: replica.ask(**fields), lambda a: a.status_code == 200, within=10, every=0.05
    )


async def test_places_of_a_killed_router_come_back(store_server: StoreServer, tmp_path: Path) -> None:
    async def never_the_first(received: Received, reply: Reply) -> None:
        if len(engine.requests) == 1:
            await asyncio.Event().wait()
        await openai_like(received, reply)

    features = {"store": {"url": store_server.url, "timeout": 5}, "limits": {"lease": 3}}
    limits = Limits(concurrent_requests=1)
    async with upstream(never_the_first) as engine:
        with (
            running_replica(tmp_path, engine.port, limits, features) as one,
            running_replica(tmp_path, engine.port, limits, features) as other,
        ):
            running = asyncio.create_task(_no_answer(one))
            await asyncio.to_thread(
                eventually, "it runs", lambda: len(engine.requests), lambda count: count == 1, within=10
            )
            # Renewed for longer than one lease lasts.
            await _holds_for(4.5, lambda: other.ask().status_code, 429)
            one.end(signal.SIGKILL)
            await _eventually_admitted(other)
            await running


async def _no_answer(replica: RunningReplica) -> None:
    with pytest.raises(httpx2.HTTPError):
        await asyncio.to_thread(replica.ask)


async def _holds_for(seconds: float, look: Callable[[], int], expected: int) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        assert await asyncio.to_thread(look) == expected
        await asyncio.sleep(0.1)
