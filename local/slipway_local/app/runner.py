"""One model's life on this machine: asleep until asked for, started, served, put to sleep, failed, tried again."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from slipway_crds.conditions import Reason
from slipway_crds.duration import parse_duration
from slipway_local.domain.backoff import delay_after
from slipway_local.domain.external import is_external
from slipway_local.domain.failures import problem_of
from slipway_local.domain.launch import Launch
from slipway_local.domain.view import ModelView, RuntimeReport, Status
from slipway_local.domain.world import LocalModel, Problem
from slipway_operator.domain.schedules import Warmth, warmth

_READY = "ready"
_LOOK_SECONDS = 10.0


class Runtime(Protocol):
    """A process that serves one model."""

    @property
    def pid(self) -> int:
        """Process id."""

    @property
    def data_port(self) -> int:
        """Where it serves."""

    @property
    def log(self) -> Path:
        """File with its output."""

    async def wait(self) -> int:
        """The exit code, once it has ended."""

    async def report(self) -> RuntimeReport | None:
        """Its state; None while it does not answer."""

    def terminate(self) -> None:
        """Ask it to drain and end; the second time, not to wait for running requests."""

    def kill(self) -> None:
        """End it at once."""

    def termination_message(self) -> str:
        """What it left behind about its end."""

    def last_words(self) -> tuple[str, ...]:
        """The end of its log."""


class Starter(Protocol):
    """Starts runtimes."""

    async def start(self, launch: Launch) -> Runtime:
        """Start one; raises OSError when the system refuses."""


class Activity(Protocol):
    """What the router knows of the use of models."""

    def idle_seconds(self, model_name: str) -> float:
        """Seconds since the last request for the model ended; 0 while one runs or waits."""


@dataclass(frozen=True)
class Pace:
    """Times in seconds."""

    poll: float = 0.1
    """Between two looks at a runtime that starts."""
    idle_poll: float = 0.5
    """Between two looks at whether a model is idle."""
    kill: float = 5.0
    """From telling a runtime to end without waiting for running requests, until it is killed."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Surroundings:
    """What every runner works with."""

    starter: Starter
    activity: Activity
    changed: Callable[[ModelView], None]
    """Told of every new view, from the event loop."""
    pace: Pace = Pace()
    now: Callable[[], datetime] = utc_now


class ModelRunner:
    """Runs one model: ``run`` is its life, cancelling ``run`` its end. ``wake`` may be called any number of times."""

    def __init__(self, model: LocalModel, surroundings: Surroundings) -> None:
        self._model = model
        self._around = surroundings
        self._wanted = asyncio.Event()
        self._dismissed = asyncio.Event()
        self._failures = 0
        self._runtime: Runtime | None = None
        self._drain_seconds = parse_duration(model.launch.drain_timeout)
        external = is_external(model.resource)
        status = Status.BLOCKED if model.blocked else Status.EXTERNAL if external else Status.ASLEEP
        view = ModelView(model.name, model.launch.engine, status, time.monotonic(), problem=model.blocked)
        self._view = replace(view, provider=model.launch.source) if external else view

    @property
    def view(self) -> ModelView:
        """What is known of the model now."""
        return self._view

    @property
    def wanted(self) -> bool:
        """Whether the model serves, starts, or is waited for."""
        return self._wanted.is_set() or self._view.status in (Status.STARTING, Status.READY)

    def wake(self) -> None:
        """Start the model, unless it runs already or has just failed or cannot be started at all."""
        self._dismissed.clear()
        if self._view.status in (Status.ASLEEP, Status.STOPPING):
            self._wanted.set()

    def dismiss(self) -> None:
        """Stop the model as soon as no request runs or waits; it can be woken again."""
        self._wanted.clear()
        if self._view.status in (Status.STARTING, Status.READY):
            self._dismissed.set()

    def adjust(self, model: LocalModel) -> None:
        """Follow a change that a running process need not know of, such as the idle time."""
        self._model = model

    def limit_drain(self, seconds: float) -> None:
        """Let running requests take no longer than this when the model is stopped."""
        self._drain_seconds = min(self._drain_seconds, seconds)

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self._runtime is not None:
            self._runtime.kill()

    async def run(self) -> None:
        """Serve the model whenever it is wanted. When cancelled, ends the process first; cancelled again, kills it."""
        while True:
            await self._until_wanted()
            self._wanted.clear()
            problem = await self._live()
            if problem is not None:
                self._failures += 1
                self._show(self._without_process(Status.FAILED, problem))
                await asyncio.sleep(delay_after(self._failures))
            self._show(self._without_process(Status.ASLEEP, problem))

    async def _until_wanted(self) -> None:
        """Return when somebody wants the model, or a warm window is open."""
        while not self._wanted.is_set():
            warm = self._warmth()
            if warm.min_replicas:
                return
            with suppress(TimeoutError):
                # The file may come to name other windows meanwhile.
                async with asyncio.timeout(min(warm.changes_in or _LOOK_SECONDS, _LOOK_SECONDS)):
                    await self._wanted.wait()

    def _warmth(self) -> Warmth:
        if self._view.status in (Status.BLOCKED, Status.EXTERNAL):
            return Warmth()
        return warmth(self._model.warm_windows, self._around.now())

    async def _live(self) -> Problem | None:
        """One process from its start to its end; the cause, if it ended by itself."""
        self._dismissed.clear()
        self._show(replace(self._without_process(Status.STARTING, None), last_words=()))
        try:
            runtime = self._runtime = await self._around.starter.start(self._model.launch)
        except OSError as error:
            return Problem(Reason.ENGINE_FAILED, f"the runtime cannot be started: {error}")
        self._show(replace(self._view, pid=runtime.pid, log=runtime.log))
        exited = asyncio.ensure_future(runtime.wait())
        try:
            if await self._until_ready(runtime, exited):
                await self._until_idle(exited)
            if not exited.done():
                return None
            words = runtime.last_words()
            self._show(replace(self._view, last_words=words))
            return problem_of(exited.result(), runtime.termination_message(), words)
        finally:
            if not exited.done():
                await self._stop(runtime, exited)
            self._runtime = None

    async def _until_ready(self, runtime: Runtime, exited: "asyncio.Future[int]") -> bool:
        """Follow the start; False when the runtime ended instead, or is not wanted any more."""
        while not exited.done() and not self._may_go():
            report = await runtime.report()
            if report is not None and report.phase == _READY:
                self._failures = 0
                spent = time.monotonic() - self._view.since
                ready = replace(self._view, status=Status.READY, report=report, start_seconds=spent)
                self._show(replace(ready, port=runtime.data_port))
                return True
            if report is not None and report.problem is None:
                self._show(replace(self._view, report=report))
            await asyncio.wait({exited}, timeout=self._around.pace.poll)
        return False

    async def _until_idle(self, exited: "asyncio.Future[int]") -> None:
        """Return when nobody has used the model for its idle time or wants it, or the runtime has ended."""
        ready_at = time.monotonic()
        while not exited.done() and not self._may_go():
            limit = self._model.idle_after
            unused = min(self._around.activity.idle_seconds(self._model.name), time.monotonic() - ready_at)
            if limit is not None and unused >= limit and not self._warmth().min_replicas:
                return
            await asyncio.wait({exited}, timeout=self._around.pace.idle_poll)

    def _may_go(self) -> bool:
        """Whether someone said that the model is not wanted, and nobody uses it."""
        return self._dismissed.is_set() and self._around.activity.idle_seconds(self._model.name) > 0

    async def _stop(self, runtime: Runtime, exited: "asyncio.Future[int]") -> None:
        # Out of the catalogue first: new requests wait for the next process instead of meeting one that ends.
        self._show(replace(self._view, status=Status.STOPPING, port=None))
        try:
            runtime.terminate()
            await asyncio.wait({exited}, timeout=self._drain_seconds)
            if not exited.done():
                runtime.terminate()
                await asyncio.wait({exited}, timeout=self._around.pace.kill)
        finally:
            if not exited.done():
                runtime.kill()
                await asyncio.wait({exited})

    def _without_process(self, status: Status, problem: Problem | None) -> ModelView:
        now = time.monotonic()
        return replace(self._view, status=status, since=now, report=None, port=None, pid=None, problem=problem)

    def _show(self, view: ModelView) -> None:
        if view != self._view:
            self._view = view
            self._around.changed(view)
