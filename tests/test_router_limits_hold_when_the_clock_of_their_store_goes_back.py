"""A store whose clock is set back, as that of another server that takes over may be, still counts and refuses."""

import pytest

from slipway_router.adapters.limits.metrics import LimitMetrics
from slipway_router.adapters.limits.shared import SharedLimiter
from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.limits.headers import header_lines
from slipway_router.domain.limits.verdict import COUNTED
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
pytestmark = pytest.mark.local

START = 1_700_000_000
CLOCK = "local function now() return tonumber(redis.call('GET', 'clock')), 0 end\n"
"""Lua: the time is what the test says."""


@pytest.mark.parametrize("back", [1, 30, 60])
async def test_a_refusal_is_told(store_server: StoreServer, back: int) -> None:
    limits = Limits(requests_per_minute=1, tokens_per_minute=10)
    caller = Caller("ns/one", limits=limits)
    shared = SharedLimiter(store_server.url, prefix="test", timeout=10, watcher=LimitMetrics(), clock=CLOCK)
    try:
        store_server.command("SET", "clock", str(START + back))
        assert (await shared.reserve(caller, 10)).refusal is None
        store_server.command("SET", "clock", str(START))
        verdict = await shared.reserve(caller, 10)
    finally:
        await shared.close()
    assert verdict.refusal is not None
    assert (verdict.requests_reset, verdict.tokens_reset) == (COUNTED, COUNTED)
    assert b"\r\nx-ratelimit-reset-requests: 1m1s\r\n" in header_lines(limits, verdict)
