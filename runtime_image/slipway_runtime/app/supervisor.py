"""One model's life: fetch, load, warm, serve, drain, end. The engine is started once and never behind anyone's back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.threads import run_in_thread
from slipway_runtime.app.status import RuntimeStatus
from slipway_runtime.domain.engine import Engine, EngineExit
from slipway_runtime.domain.failure import RuntimeFailure, exit_status, signal_name
from slipway_runtime.domain.phases import Phase
from slipway_runtime.domain.progress import Progress
from slipway_runtime.domain.weights import Weights

log = logging.getLogger(__name__)

_IDLE_POLL_SECONDS = 0.05

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """Times in seconds."""

    startup: float
    """From the start to ready; longer is a failure."""
    drain: float
    """For running requests to finish."""
    quiet: float = 1.0
    """How long no request may be running before the drain is over: callers learn late that they should go elsewhere."""


@dataclass(frozen=True)
class Parts:
    """What the supervisor drives."""

    fetch: Callable[[Progress], Weights]
    """Blocking."""
    make_engine: Callable[[Weights], Engine]
    """Blocking; looks at the weights and raises RuntimeFailure when they cannot do what is asked."""
    warm_up: Callable[[], Awaitable[None]]
    memory_kills: Callable[[], int]
    """How often the kernel has killed for memory in this container."""


class Supervisor:
    """Takes one model through its phases. ``run`` may be called once."""

    def __init__(self, parts: Parts, limits: Limits, status: RuntimeStatus) -> None:
        self._parts = parts
        self._limits = limits
        self._status = status
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._kills_before = parts.memory_kills()

    def drain(self) -> None:
        """Begin to drain: no longer ready, and the end once no request is running. Calling it again changes nothing."""
        self._stop.set()

    def hurry(self) -> None:
        """End now, running requests or not."""
        self._stop.set()
        self._hurry.set()

    async def run(self) -> int:
        """Serve until told to stop. Returns the exit code; raises RuntimeFailure, with the phase set to failed."""
        try:
            if await _before(self._stop, self._start_up()):
                await _before(self._stop, self._watch())
            return await self._wind_down()
        except RuntimeFailure as failure:
            cause = self._root_cause(failure)
            self._status.fail(cause)
            raise cause from failure
        finally:
            self._status.progress.cancelled = True
            if self._status.engine is not None:
                await self._status.engine.stop()

    async def _start_up(self) -> bool:
        try:
            async with asyncio.timeout(self._limits.startup):
                weights = await run_in_thread(lambda: self._parts.fetch(self._status.progress), name="fetch")
                self._enter(Phase.LOADING)
                engine = self._status.engine = await run_in_thread(
                    lambda: self._parts.make_engine(weights), name="make-engine"
                )
                await engine.start()
                self._enter(Phase.WARMING)
                await self._while_alive(engine, self._parts.warm_up())
                self._enter(Phase.READY)
        except TimeoutError as error:
            spent = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in self._status.phase_seconds().items())
            message = f"not ready within {self._limits.startup:g} s ({spent}); raise lifecycle.startupTimeout"
            raise RuntimeFailure(Reason.STARTUP_TIMEOUT, message) from error
        return True

    async def _watch(self) -> None:
        assert self._status.engine is not None
        raise self._engine_failed(await self._status.engine.wait())

    async def _wind_down(self) -> int:
        was_ready = self._status.phase is Phase.READY
        self._enter(Phase.DRAINING)
        engine = self._status.engine
        if engine is None:
            return 0
        if was_ready:
            await _before(self._hurry, self._while_alive(engine, self._until_idle(engine)))
        return exit_status((await engine.stop()).returncode)

    async def _until_idle(self, engine: Engine) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._limits.drain
        idle_since = None
        while (now := clock()) < deadline:
            if await engine.in_flight():
                idle_since = None
            else:
                idle_since = now if idle_since is None else idle_since
                if now - idle_since >= self._limits.quiet:
                    return
            await asyncio.sleep(_IDLE_POLL_SECONDS)
        log.warning("drain: %d requests still running after %g s are cut", await engine.in_flight(), self._limits.drain)

    async def _while_alive(self, engine: Engine, work: Awaitable[Result]) -> Result:
        working, death = asyncio.ensure_future(work), asyncio.ensure_future(engine.wait())
        try:
            await asyncio.wait({working, death}, return_when=asyncio.FIRST_COMPLETED)
            if death.done():
                raise self._engine_failed(death.result())
            return working.result()
        finally:
            await _cancel(working, death)

    def _engine_failed(self, end: EngineExit) -> RuntimeFailure:
        phase = self._status.phase
        how = f"exit code {end.returncode}" if end.returncode >= 0 else signal_name(-end.returncode)
        message = f"the engine ended by itself while {phase} ({how})" + (f": {end.detail}" if end.detail else "")
        # A clean exit that nobody asked for must not look like success.
        return RuntimeFailure(end.reason, message, exit_status(end.returncode) or None)

    def _root_cause(self, failure: RuntimeFailure) -> RuntimeFailure:
        """Of an engine that is several processes, the kernel kills one for memory, and another tells what it misses."""
        if failure.reason is not Reason.ENGINE_FAILED or self._parts.memory_kills() <= self._kills_before:
            return failure
        phase = self._status.phase
        message = f"the engine needed more memory than its limit while {phase}; raise resources.limits.memory"
        return RuntimeFailure(Reason.OUT_OF_MEMORY, message)

    def _enter(self, phase: Phase) -> None:
        self._status.enter(phase)
        log.info("phase %s", phase)


async def _before(event: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """The result of ``work``, or None when ``event`` comes first; ``work`` is then cancelled."""
    working, happened = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({working, happened}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await _cancel(working, happened)


async def _cancel(*futures: "asyncio.Future[Any]") -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
