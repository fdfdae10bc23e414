"""Limits counted in memory and in a shared store give the same verdicts, whatever happens in which order."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway_router.adapters.limits.metrics import LimitMetrics
from slipway_router.adapters.limits.shared import SharedLimiter
from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.limits.memory import MemoryLimiter
from slipway_router.domain.limits.verdict import Verdict
from tests.store_programs import StoreProgram
from tests.store_servers import StoreServer, running_store

pytestmark = pytest.mark.local

START = 1_700_000_000
CLOCK = """
local function now()
  local seconds, rest = redis.call('GET', 'clock'):match('(%d+)%.(%d+)')
  return tonumber(seconds), tonumber(rest)
end
"""
"""Lua: the time is what the test says."""

small = st.integers(1, 6)
limits = st.builds(
    Limits,
    requests_per_minute=st.none() | small,
    tokens_per_minute=st.none() | st.integers(1, 60),
    tokens_per_day=st.none() | st.integers(1, 200),
    concurrent_requests=st.none() | small,
)
reserving = st.tuples(st.just("reserve"), st.integers(0, 1), st.integers(0, 80))
settling = st.tuples(st.just("settle"), st.integers(0, 20), st.none() | st.integers(0, 90))
seconds = st.sampled_from([0.0, 0.25, 0.75, 1.0, 20.0, 59.5, 60.0, 61.0, 86_400.0])
passing = st.tuples(st.just("pass"), seconds, st.just(0))
stories = st.lists(reserving | reserving | reserving | settling | passing, min_size=5, max_size=40)


def told(verdict: Verdict) -> list[object]:
    """What a verdict says, but for the reservation."""
    return [getattr(verdict, name) for name in Verdict.__slots__ if name != "reservation"]


@pytest.fixture(scope="module", params=StoreProgram)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    folder: Path = tmp_path_factory.mktemp("store")
    with running_store(folder, program=request.param) as running:
        yield running


async def follow(server: StoreServer, story: list[tuple[str, Any, Any]], bounds: tuple[Limits, Limits]) -> None:
    server.command("FLUSHALL")
    time = [float(START)]
    server.command("SET", "clock", f"{START:.6f}")
    memory = MemoryLimiter(lambda: time[0], lambda: time[0])
    shared = SharedLimiter(
        server.url, prefix="test", timeout=10, watcher=LimitMetrics(), clock=CLOCK, lease_seconds=3600
    )
    callers = [Caller(f"ns/{number}", limits=limits) for number, limits in enumerate(bounds)]
    open_ones: list[tuple[Any, Any]] = []
    try:
        for what, first, second in story:
            if what == "pass":
                time[0] += first
                server.command("SET", "clock", f"{time[0]:.6f}")
                shared.renew()  # In time, since the server looks at leases only when it is asked.
            elif what == "settle" and open_ones:
                for reservation in open_ones.pop(first % len(open_ones)):
                    reservation.settle(second)
            elif what == "reserve":
                await shared.flush()
                one, other = memory.reserve(callers[first], second), await shared.reserve(callers[first], second)
                assert told(other) == told(one)
                assert (other.reservation is None) == (one.reservation is None)
                if one.reservation is not None:
                    open_ones.append((one.reservation, other.reservation))
    finally:
        await shared.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories, one=limits, other=limits)
def test_same_verdicts(server: StoreServer, story: list[tuple[str, Any, Any]], one: Limits, other: Limits) -> None:
    asyncio.run(follow(server, story, (one, other)))
