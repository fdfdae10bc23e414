"""The store of limits is killed and started again: the declared mode while it is away, exact when it is back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from slipway_router.app.options import Features
from slipway_router.domain.callers.keys import Limits
from tests.fakes.upstream import upstream
from tests.limited_callers import LIMITED_KEY, limit
from tests.routers import RouterUnderTest, chat, model, running_router
from tests.store_programs import StoreProgram
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
pytestmark = pytest.mark.local

LIMIT = 5


@asynccontextmanager
async def limited_router(store_server: StoreServer, mode: str, limits: Limits) -> AsyncIterator[RouterUnderTest]:
    features = Features.model_validate(
        {"store": {"url": store_server.url, "timeout": 2}, "limits": {"fail_mode": mode}}
    )
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=features) as router:
        limit(router, limits)
        yield router


async def ask(router: RouterUnderTest) -> httpx2.Response:
    return await router.post("/v1/chat/completions", chat(), LIMITED_KEY)


async def statuses(router: RouterUnderTest, count: int) -> list[int]:
    answers = await asyncio.gather(*(ask(router) for _ in range(count)))
    return sorted(answer.status_code for answer in answers)


async def until_up(router: RouterUnderTest) -> None:
    deadline = time.monotonic() + 20
    while await router.metric("slipway_router_limit_store_up") != 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("store_server", StoreProgram, indirect=True)
async def test_closed_refuses_and_is_exact_again(store_server: StoreServer) -> None:
    async with limited_router(store_server, "closed", Limits(requests_per_minute=LIMIT)) as router:
        assert await statuses(router, 2 * LIMIT) == [200] * LIMIT + [429] * LIMIT
        store_server.kill()
        answers = await asyncio.gather(*(ask(router) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["error"]["code"] for answer in answers} == {"limits_unavailable"}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert await router.metric("slipway_router_limit_store_up") == 0
        assert await router.metric("slipway_router_limit_store_errors_total", reason="unreachable") >= 1
        assert await router.metric("slipway_router_uncounted_requests_total") == 20
        store_server.start()
        await until_up(router)
        # The store has forgotten what was counted; from here on it is exact.
        assert await statuses(router, 2 * LIMIT) == [200] * LIMIT + [429] * LIMIT


async def test_open_serves_and_is_exact_again(store_server: StoreServer) -> None:
    async with limited_router(store_server, "open", Limits(requests_per_minute=LIMIT)) as router:
        assert await statuses(router, 2 * LIMIT) == [200] * LIMIT + [429] * LIMIT
        store_server.kill()
        answers = await asyncio.gather(*(ask(router) for _ in range(2 * LIMIT)))
        assert {answer.status_code for answer in answers} == {200}
        assert not any(name.startswith("x-ratelimit") for answer in answers for name in answer.headers)
        store_server.start()
        await until_up(router)
        assert await statuses(router, 2 * LIMIT) == [200] * LIMIT + [429] * LIMIT


async def test_a_restart_that_nobody_noticed_is_no_failure(store_server: StoreServer) -> None:
    async with limited_router(store_server, "closed", Limits(requests_per_minute=LIMIT)) as router:
        assert await statuses(router, 1) == [200]
        store_server.kill()
        store_server.start()
        assert await statuses(router, 2 * LIMIT) == [200] * LIMIT + [429] * LIMIT
        assert await router.metric("slipway_router_limit_store_errors_total") == 0


@pytest.mark.parametrize("store_server", StoreProgram, indirect=True)
async def test_forgotten_scripts_are_loaded_again(store_server: StoreServer) -> None:
    async with limited_router(store_server, "closed", Limits(requests_per_minute=LIMIT)) as router:
        assert await statuses(router, 2) == [200, 200]
        store_server.command("SCRIPT", "FLUSH")
        assert await statuses(router, 2 * LIMIT) == [200] * (LIMIT - 2) + [429] * (LIMIT + 2)


async def test_a_store_that_hangs_is_waited_for_once(store_server: StoreServer) -> None:
    async with limited_router(store_server, "closed", Limits(requests_per_minute=LIMIT)) as router:
        assert await statuses(router, 1) == [200]
        store_server.pause()
        begun = time.monotonic()
        assert await statuses(router, 20) == [503] * 20
        assert await router.metric("slipway_router_limit_store_up") == 0
        # Now that it is known, nobody waits: all of these together less than one wait.
        known = time.monotonic()
        for _ in range(20):
            assert (await ask(router)).status_code == 503
        assert time.monotonic() - known < known - begun + 2
        store_server.resume()
        await until_up(router)
        # It took some of the calls that were given up, and counts them: never too little.
        assert (await statuses(router, 2 * LIMIT)).count(200) <= LIMIT
        assert await router.metric("slipway_router_limit_store_errors_total") == 1


async def test_callers_without_limits_need_no_store(store_server: StoreServer) -> None:
    async with limited_router(store_server, "closed", Limits()) as router:
        store_server.kill()
        assert await statuses(router, 3) == [200] * 3
        assert await router.metric("slipway_router_uncounted_requests_total") == 0


async def test_a_caller_who_leaves_while_the_store_is_asked_keeps_no_place(store_server: StoreServer) -> None:
    async with limited_router(
        store_server, "closed", Limits(concurrent_requests=1, tokens_per_minute=10_000)
    ) as router:
        assert await statuses(router, 1) == [200]
        store_server.pause()
        _, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        body = b'{"model":"chat-a","messages":[]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {LIMITED_KEY}\r\n"
        writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        writer.close()
        await writer.wait_closed()
        deadline = time.monotonic() + 10
        while b'"status":499' not in router.log.getvalue():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)
        store_server.resume()
        answer = await ask(router)
        while answer.status_code == 429:
            assert time.monotonic() < deadline
            answer = await ask(router)
        assert answer.status_code == 200
