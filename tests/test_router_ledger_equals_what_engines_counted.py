"""The account equals what engines really wrote, to the token: whatever callers, engines and the router's end do."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.mixed_callers import KEYS, MODELS, Callers, as_engines_wrote, as_the_router_says, settled, tell
from tests.plain_router import PlainRouter, Setup, plain_router
from tests.runtimes import RuntimeProcess, runtime

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
REQUESTS = 10_000
AT_ONCE = 32


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RuntimeProcess]]:
    with ExitStack() as running:
        made = []
        for number, model in enumerate(MODELS):
            folder = tmp_path_factory.mktemp(f"engine-{number}")
            made.append(running.enter_context(runtime(folder, model_name=model)))
        for engine in made:
            engine.wait_for_phase("ready")
        yield made


async def kill_in_the_middle(callers: Callers, router: PlainRouter, engines: list[RuntimeProcess]) -> None:
    """Kill the router while requests run, at a moment at which nothing is between it and the engines.

    What an engine has written, but the router not yet read, can be in no account once the router is killed. So engines
    are told to hold first: when they have answered, all that they have counted lies in the router's sockets. The router
    reads those before it answers the second of two requests that come after, for its event loop has then gone round
    once. Held engines see the connections end before they may write again.
    """
    await callers.half.wait()
    await asyncio.to_thread(tell, engines, "hold")
    callers.up.clear()
    for _ in range(2):
        assert (await asyncio.to_thread(router.get, "/health")).is_success
    await asyncio.to_thread(router.kill)
    await asyncio.to_thread(tell, engines, "release")


async def test_to_the_token(engines: list[RuntimeProcess], tmp_path: Path) -> None:
    ports: dict[str, list[int]] = {}
    for engine in engines:
        ports.setdefault(engine.env.model_name, []).append(engine.env.data_port)
    setup = Setup(ports, KEYS, str(tmp_path / "ledger"))
    log = tmp_path / "router.log"
    callers = Callers(setup.port, REQUESTS, AT_ONCE)
    running = asyncio.create_task(callers.run())
    with plain_router(setup, log) as first:
        callers.up.set()
        await kill_in_the_middle(callers, first, engines)
    with plain_router(setup, log) as second:
        callers.up.set()
        await running
        await asyncio.to_thread(settled, second)
        counted, totals = await asyncio.to_thread(as_the_router_says, second)
    written = as_engines_wrote(engines)
    assert counted == written
    assert len(written) == 2 * len(KEYS) * len(set(MODELS))
    assert callers.completed > REQUESTS * 0.7
    assert totals["aborted"] > REQUESTS * 0.05
    assert totals["errors"] > REQUESTS * 0.005
    assert "streams that were running when the last router ended" in log.read_text()
