"""The supervisor starts its engine once; when it ends by itself, so does the runtime, with the cause."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.app.status import RuntimeStatus
from slipway_runtime.app.supervisor import Limits, Parts, Supervisor
from slipway_runtime.domain.engine import EngineExit
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.phases import Phase
from slipway_runtime.domain.weights import Weights
from tests.fakes.engine import FakeEngine


async def nothing() -> None:
    """A warm-up that needs no time."""


@dataclass
class World:
    """A supervisor around a fake engine."""

    warm_up: Callable[[], Awaitable[None]] = nothing
    memory_kills: int = 0
    engine: FakeEngine = field(default_factory=FakeEngine)
    status: RuntimeStatus = field(default_factory=lambda: RuntimeStatus("m", "fake", time.monotonic))

    def __post_init__(self) -> None:
        parts = Parts(
            fetch=lambda _: Weights(None),
            make_engine=lambda _: self.engine,
            warm_up=self.warm_up,
            memory_kills=lambda: self.memory_kills,
        )
        self.supervisor = Supervisor(parts, Limits(startup=5, drain=5, quiet=0), self.status)

    async def until(self, phase: Phase) -> None:
        async with asyncio.timeout(5):
            while self.status.phase is not phase:  # noqa: ASYNC110 - the status is polled by probes, too
                await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("end", "code"), [(EngineExit(3, "boom"), 3), (EngineExit(-11), 139), (EngineExit(0), 70)], ids=["3", "segv", "0"]
)
async def test_an_engine_that_ends_by_itself_ends_the_runtime(end: EngineExit, code: int) -> None:
    world = World()
    running = asyncio.create_task(world.supervisor.run())
    await world.until(Phase.READY)
    world.engine.end(end)
    with pytest.raises(RuntimeFailure, match="the engine ended by itself while ready") as raised:
        await running
    assert raised.value.reason is Reason.ENGINE_FAILED
    assert raised.value.exit_code == code
    assert end.detail in raised.value.message
    assert world.status.phase is Phase.FAILED
    assert world.engine.starts == 1


@pytest.mark.parametrize(
    "end", [EngineExit(-9), EngineExit(137), EngineExit(1, "a worker has died")], ids=["killed", "shell", "told"]
)
async def test_a_kill_by_the_kernel_is_out_of_memory(end: EngineExit) -> None:
    world = World()
    running = asyncio.create_task(world.supervisor.run())
    await world.until(Phase.READY)
    world.memory_kills = 1
    world.engine.end(end)
    with pytest.raises(RuntimeFailure, match=r"while ready; raise resources\.limits\.memory") as raised:
        await running
    assert raised.value.reason is Reason.OUT_OF_MEMORY
    assert raised.value.exit_code == 137


class DiesWhileLoading(FakeEngine):
    """One of its processes is killed, and another gives up."""

    def __init__(self, kill: Callable[[], None]) -> None:
        super().__init__()
        self._kill = kill

    async def start(self) -> None:
        self._kill()
        raise RuntimeFailure(Reason.ENGINE_FAILED, "a worker has died")


async def test_a_kill_by_the_kernel_while_loading_is_out_of_memory() -> None:
    def kill() -> None:
        world.memory_kills = 1

    world = World(engine=DiesWhileLoading(kill))
    with pytest.raises(RuntimeFailure, match=r"while loading; raise resources\.limits\.memory") as raised:
        await world.supervisor.run()
    assert raised.value.reason is Reason.OUT_OF_MEMORY
    assert world.status.phase is Phase.FAILED


async def test_a_kill_by_somebody_else_is_not_out_of_memory() -> None:
    world = World()
    running = asyncio.create_task(world.supervisor.run())
    await world.until(Phase.READY)
    world.engine.end(EngineExit(-9))
    with pytest.raises(RuntimeFailure, match="SIGKILL") as raised:
        await running
    assert raised.value.reason is Reason.ENGINE_FAILED


async def test_an_engine_that_ends_while_warming_is_not_waited_for() -> None:
    never = asyncio.Event()
    world = World(warm_up=lambda: wait_for(never))
    running = asyncio.create_task(world.supervisor.run())
    await world.until(Phase.WARMING)
    world.engine.end(EngineExit(5))
    with pytest.raises(RuntimeFailure, match="while warming") as raised:
        await running
    assert raised.value.exit_code == 5


async def test_a_death_while_draining_is_a_failure() -> None:
    world = World()
    world.engine.requests = 1
    running = asyncio.create_task(world.supervisor.run())
    await world.until(Phase.READY)
    world.supervisor.drain()
    await world.until(Phase.DRAINING)
    world.engine.end(EngineExit(6))
    with pytest.raises(RuntimeFailure, match="while draining"):
        await running


async def test_a_drain_waits_for_the_last_request() -> None:
    world = World()
    world.engine.requests = 1
    running = asyncio.create_task(world.supervisor.run())
    await world.until(Phase.READY)
    world.supervisor.drain()
    await world.until(Phase.DRAINING)
    done, _ = await asyncio.wait({running}, timeout=0.2)
    assert not done
    world.engine.requests = 0
    assert await asyncio.wait_for(running, 2) == 0


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()
