"""A router that was held up for longer than the store may take reads what has arrived before it gives up."""

import asyncio
import time

import pytest

from slipway_router.adapters.limits.metrics import LimitMetrics
from slipway_router.adapters.limits.shared import SharedLimiter
from slipway_router.domain.callers.keys import Caller, Limits
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
pytestmark = pytest.mark.local

TIMEOUT = 0.4


def hold_up() -> None:
    """Block the event loop, as a busy machine does."""
    time.sleep(1.5 * TIMEOUT)


async def test_the_answer_is_taken(store_server: StoreServer) -> None:
    caller = Caller("ns/a", limits=Limits(requests_per_minute=100))
    limiter = SharedLimiter(store_server.url, prefix="t", timeout=TIMEOUT, watcher=LimitMetrics())
    try:
        assert (await limiter.reserve(caller, 0)).requests_left == 99
        store_server.pause()
        asked = asyncio.ensure_future(limiter.reserve(caller, 0))
        for _ in range(10):
            await asyncio.sleep(0)  # It is on its way now.
        store_server.resume()
        asyncio.get_running_loop().call_soon(hold_up)
        assert (await asked).requests_left == 98
    finally:
        await limiter.close()
