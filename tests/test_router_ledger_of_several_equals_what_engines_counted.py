"""The account that two routers share equals what engines really wrote, though a router and an engine are killed."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mixed_callers import KEYS, MODELS, Callers, Tokens, as_engines_wrote, as_the_router_says, settled, tell
from tests.plain_router import PlainRouter, Setup, plain_router
from tests.runtimes import RuntimeProcess, runtime
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
REQUESTS = 2_500
"""To each of the routers."""
AT_ONCE = 16


async def kill_in_the_middle(
    callers: Sequence[Callers], routers: Sequence[PlainRouter], engines: Sequence[RuntimeProcess]
) -> Tokens:
    """Kill the first router and the first engine while requests run; what that engine had written.

    At a moment at which nothing is on its way to a router: no account could have that. Engines that hold have put all
    that they have counted into the routers' sockets, and each router reads those before it answers the second of two
    requests that come after. The other router and the engines then go on.
    """
    await asyncio.gather(*(each.half.wait() for each in callers))
    await asyncio.to_thread(tell, engines, "hold")
    callers[0].up.clear()
    for router in (*routers, *routers):
        assert (await asyncio.to_thread(router.get, "/health")).is_success
    victim = engines[0]
    written = await asyncio.to_thread(as_engines_wrote, [victim])
    victim.signal(signal.SIGKILL)
    await asyncio.to_thread(victim.wait_for_exit)
    await asyncio.to_thread(routers[0].kill)
    await asyncio.to_thread(tell, engines[1:], "release")
    return written


async def test_to_the_token(store_server: StoreServer, tmp_path: Path) -> None:
    with ExitStack() as world:
        engines = []
        for number, model in enumerate(MODELS):
            (folder := tmp_path / f"engine-{number}").mkdir()
            engines.append(world.enter_context(runtime(folder, model_name=model)))
        ports: dict[str, list[int]] = {}
        for engine in engines:
            engine.wait_for_phase("ready")
            ports.setdefault(engine.env.model_name, []).append(engine.env.data_port)
        setups = [Setup(ports, KEYS, str(tmp_path / name), store_server.url) for name in ("first", "second")]
        callers = [Callers(setup.port, REQUESTS, AT_ONCE, name) for setup, name in zip(setups, "xy", strict=True)]
        running = [asyncio.create_task(each.run()) for each in callers]
        log = tmp_path / "router.log"
        with plain_router(setups[0], log) as first:
            second = world.enter_context(plain_router(setups[1], log))
            for each in callers:
                each.up.set()
            written = await kill_in_the_middle(callers, (first, second), engines)
        first = world.enter_context(plain_router(setups[0], log))
        callers[0].up.set()
        await asyncio.gather(*running)
        for router in (first, second):
            await asyncio.to_thread(settled, router)
        written += await asyncio.to_thread(as_engines_wrote, engines[1:])
        # A router brings what it counted before it tells the sum: so the last one that is asked knows all.
        await asyncio.to_thread(as_the_router_says, second)
        counted, totals = await asyncio.to_thread(as_the_router_says, first)
        assert (counted, totals) == await asyncio.to_thread(as_the_router_says, second)
    assert counted == written
    assert len(written) == 2 * len(KEYS) * len(set(MODELS))
    assert sum(each.completed for each in callers) > 2 * REQUESTS * 0.6
    assert totals["aborted"] > 2 * REQUESTS * 0.05
    assert "streams that were running when the last router ended" in log.read_text()
