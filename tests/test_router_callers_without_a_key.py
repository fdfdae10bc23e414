"""Callers without a key are served where that is switched on, told apart by address; a wrong key stays wrong."""

from typing import Any

import pytest

from slipway_router.app.options import AnonymousOptions, Features, ProxyOptions
from slipway_router.domain.callers.addresses import trusted_networks
from slipway_router.domain.callers.authentication import Anonymous, Proxies
from slipway_router.domain.callers.keys import Limits
from tests.fakes.upstream import upstream
from tests.routers import chat, model, running_router

OPEN = AnonymousOptions(enabled=True, models=("chat-*",))


@pytest.mark.local
@pytest.mark.parametrize(
    ("headers", "name", "status"),
    [
        ({}, "chat-a", 200),
        ({}, "other", 403),
        ({"authorization": "Bearer wrong"}, "chat-a", 401),
        ({"authorization": "Bearer"}, "chat-a", 401),
        ({"authorization": "Basic dTpw"}, "chat-a", 401),
        ({"x-api-key": ""}, "chat-a", 401),
        ({"x-api-key": "wrong"}, "chat-a", 401),
    ],
)
async def test_only_who_presents_nothing_is_anonymous(headers: dict[str, str], name: str, status: int) -> None:
    async with (
        upstream() as engine,
        running_router(
            [model("chat-a", engine.port), model("other", engine.port)], features=Features(anonymous=OPEN)
        ) as router,
    ):
        answer = await router.post("/v1/chat/completions", chat(name), key=None, headers=headers)
        listed = await router.request("GET", "/v1/models", key=None, headers=headers)
    assert answer.status_code == status, answer.text
    assert listed.status_code == (401 if status == 401 else 200)


@pytest.mark.local
async def test_nobody_is_anonymous_unless_that_is_switched_on() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        assert (await router.post("/v1/chat/completions", chat(), key=None)).status_code == 401


@pytest.mark.local
@pytest.mark.parametrize(("trusted", "peer"), [(("127.0.0.0/8",), "203.0.113.9"), (("10.0.0.0/8",), "127.0.0.1")])
async def test_the_address_is_the_callers_behind_a_trusted_proxy(trusted: tuple[str, ...], peer: str) -> None:
    features = Features(anonymous=OPEN, proxy=ProxyOptions(trusted=trusted))
    forwarded = {"x-forwarded-for": "198.51.100.1, 203.0.113.9"}
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=features) as router:
        answer = await router.post("/v1/chat/completions", chat(), key=None, headers=forwarded)
    assert answer.status_code == 200
    assert [(line["peer"], line["key"]) for line in router.log_lines()] == [(peer, "anonymous")]
    assert "x-forwarded-for" not in engine.requests[0].headers


@pytest.mark.parametrize(
    ("peer", "bucket"),
    [
        ("203.0.113.9", "ip:203.0.113.9"),
        ("2001:db8::1", "ip:2001:db8::/64"),
        ("2001:db8::2", "ip:2001:db8::/64"),
        ("2001:db8::/64", "ip:2001:db8::/64"),
        ("", "ip:"),
    ],
)
def test_limits_and_sessions_go_by_address(peer: str, bucket: str) -> None:
    caller = Anonymous(("chat-*",), Limits(60)).caller(peer)
    assert (caller.name, caller.bucket, caller.limits, caller.admin) == ("anonymous", bucket, Limits(60), False)
    assert caller.identity == bucket
    assert (caller.may_call("chat-a"), caller.may_call("other")) == (True, False)


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    anonymous, proxies = Anonymous(("*",), Limits()), Proxies(trusted_networks(["10.0.0.0/8"]))
    for number in range(5000):
        address = f"192.0.{number // 256}.{number % 256}"
        anonymous.caller(address)
        assert proxies.address("10.0.0.1", address.encode()) == address
    sizes: list[Any] = [anonymous.caller.cache_info().currsize, proxies.address.cache_info().currsize]
    assert max(sizes) <= 4096
