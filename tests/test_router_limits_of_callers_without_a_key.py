"""Requests without a key are limited by address, behind proxies by that of their caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from slipway_router.app.options import Features
from tests.fakes.upstream import upstream
from tests.routers import KEY, RouterUnderTest, chat, model, running_router

PROXY = {"proxy": {"trusted": ["127.0.0.0/8"]}}


@asynccontextmanager
async def open_router(**sections: object) -> AsyncIterator[RouterUnderTest]:
    sections = {"anonymous": {"enabled": True, "requests_per_minute": 2}, **sections}
    features = Features.model_validate(sections)
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=features) as router:
        yield router


async def statuses(router: RouterUnderTest, *forwarded_for: str) -> list[int]:
    answers = [
        await router.post("/v1/chat/completions", chat(), None, headers={"x-forwarded-for": address})
        for address in forwarded_for
    ]
    return [answer.status_code for answer in answers]


async def test_an_address_has_its_limit() -> None:
    async with open_router() as router:
        # Who is no trusted proxy cannot choose an address.
        assert await statuses(router, "203.0.113.1", "203.0.113.2", "203.0.113.3") == [200, 200, 429]
        answer = await router.post("/v1/chat/completions", chat(), None)
        assert answer.headers["x-ratelimit-limit-requests"] == "2"
        assert answer.json()["error"]["message"].startswith("Rate limit reached for anonymous: 2 requests per minute.")
        # Callers with a key are not concerned.
        assert (await router.post("/v1/chat/completions", chat(), KEY)).status_code == 200


async def test_behind_a_proxy_each_caller_has_a_limit() -> None:
    async with open_router(**PROXY) as router:
        assert await statuses(router, *["203.0.113.1"] * 3, *["203.0.113.2"] * 3) == [200, 200, 429, 200, 200, 429]
        # What stands left of the caller's address is its own claim.
        assert await statuses(router, "198.51.100.7, 203.0.113.1", "198.51.100.8, 203.0.113.2") == [429, 429]


@pytest.mark.parametrize(("second", "expected"), [("2001:db8:0:1::2", 429), ("2001:db8:0:2::1", 200)])
async def test_addresses_of_version_6_count_by_network(second: str, expected: int) -> None:
    async with open_router(**PROXY) as router:
        assert await statuses(router, *["2001:db8:0:1::1"] * 2) == [200, 200]
        assert await statuses(router, second) == [expected]


async def test_all_addresses_share_one_label() -> None:
    async with open_router(**PROXY) as router:
        await statuses(router, *["203.0.113.1"] * 4, *["203.0.113.2"] * 3)
        name = "slipway_router_limited_requests_total"
        assert await router.metric(name, key="anonymous", limit="requests_per_minute") == 3
        assert await router.metric(name) == 3
