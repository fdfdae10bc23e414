"""Asleep, starting, ready, stopping, failed: what leads from one to the other. With a fake process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from slipway_crds.conditions import Reason
from slipway_crds.documents import load_documents
from slipway_local.app.runner import ModelRunner, Pace, Surroundings
from slipway_local.domain.view import ModelView, Status
from slipway_local.domain.world import LocalModel, Machine, world_of
from tests.fakes.local_runtime import FakeActivity, FakeStarter
from tests.local_mode import document

PACE = Pace(poll=0.005, idle_poll=0.005, kill=0.02)
DEADLINE = 5.0


def local_model(idle_after: float | None = None, drain: str = "5m", rest: str = "") -> LocalModel:
    text = document("m", rest=rest or f"lifecycle: {{drainTimeout: {drain}}}")
    return world_of(load_documents(text, "test"), Machine(idle_after=idle_after)).models["m"]


class Watched:
    """A runner and every view it has shown."""

    def __init__(self, model: LocalModel, starter: FakeStarter, activity: FakeActivity) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.views: list[ModelView] = []
        self._news = asyncio.Event()
        self.runner = ModelRunner(model, Surroundings(starter, activity, self._note, PACE, lambda: self.now))

    def _note(self, view: ModelView) -> None:
        self.views.append(view)
        self._news.set()

    @property
    def statuses(self) -> list[Status]:
        """Each status once in a row."""
        found = [view.status for view in self.views]
        return [status for number, status in enumerate(found) if number == 0 or found[number - 1] is not status]

    async def until(self, *statuses: Status) -> ModelView:
        """Wait for these statuses, in this order and from the beginning."""
        try:
            async with asyncio.timeout(DEADLINE):
                while self.statuses[: len(statuses)] != list(statuses):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"expected {statuses}, saw {self.statuses}") from None
        return self.views[-1]


@asynccontextmanager
async def running(
    starter: FakeStarter, model: LocalModel | None = None, activity: FakeActivity | None = None
) -> AsyncIterator[Watched]:
    watched = Watched(model or local_model(), starter, activity or FakeActivity())
    task = asyncio.create_task(watched.runner.run())
    try:
        yield watched
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_any_number_of_wakes_start_one_process() -> None:
    starter = FakeStarter()
    async with running(starter) as model:
        for _ in range(10):
            model.runner.wake()
        ready = await model.until(Status.STARTING, Status.READY)
        model.runner.wake()
        assert ready.port == 1001
        assert len(starter.started) == 1
    assert model.statuses[-1] is Status.STOPPING
    assert starter.started[0].told == ["terminate"]


async def test_it_is_out_of_the_catalogue_before_it_is_told_to_end() -> None:
    starter = FakeStarter(stubborn=True)
    async with running(starter, local_model(idle_after=0.0)) as model:
        model.runner.wake()
        stopping = await model.until(Status.STARTING, Status.READY, Status.STOPPING)
        assert stopping.port is None
        assert stopping.wakeable
        starter.started[0].end(0)
        await model.until(Status.STARTING, Status.READY, Status.STOPPING, Status.ASLEEP)


async def test_a_wake_while_it_stops_starts_it_again() -> None:
    starter = FakeStarter(stubborn=True)
    async with running(starter, local_model(idle_after=0.0)) as model:
        model.runner.wake()
        await model.until(Status.STARTING, Status.READY, Status.STOPPING)
        model.runner.wake()
        starter.stubborn = False
        starter.started[0].end(0)
        again = (Status.STARTING, Status.READY)
        await model.until(*again, Status.STOPPING, Status.ASLEEP, *again)
        assert len(starter.started) == 2


async def test_use_keeps_it_awake_and_an_adjustment_counts_at_once() -> None:
    activity = FakeActivity(idle=0.0)
    starter = FakeStarter()
    async with running(starter, local_model(idle_after=0.01), activity) as model:
        model.runner.wake()
        await model.until(Status.STARTING, Status.READY)
        model.runner.adjust(local_model(idle_after=None))
        activity.idle = 1e9
        await asyncio.wait({asyncio.ensure_future(starter.started[0].wait())}, timeout=0.05)
        assert model.statuses[-1] is Status.READY
        model.runner.adjust(local_model(idle_after=0.01))
        await model.until(Status.STARTING, Status.READY, Status.STOPPING, Status.ASLEEP)


async def test_in_a_warm_window_it_runs_although_nobody_asks() -> None:
    window = "{start: 0 8 * * *, end: 0 18 * * *}"
    scaling = f"autoscaling: {{maxReplicas: 1, scaleToZero: {{idleAfter: 1s}}, warmWindows: [{window}]}}"
    activity = FakeActivity(idle=1e9)
    async with running(FakeStarter(), local_model(rest=scaling), activity) as model:
        await model.until(Status.STARTING, Status.READY)
        model.now = datetime(2026, 11, 20, 18, tzinfo=UTC)
        await model.until(Status.STARTING, Status.READY, Status.STOPPING, Status.ASLEEP)


async def test_one_that_does_not_end_is_told_twice_and_then_killed() -> None:
    starter = FakeStarter(stubborn=True)
    async with running(starter, local_model(drain="20ms")) as model:
        model.runner.wake()
        await model.until(Status.STARTING, Status.READY)
    assert starter.started[0].told == ["terminate", "terminate", "kill"]


async def test_an_end_of_its_own_is_a_failure_that_wakes_ignore_for_a_while() -> None:
    starter = FakeStarter(phase="loading")
    async with running(starter) as model:
        model.runner.wake()
        await model.until(Status.STARTING)
        starter.started[0].end(3)
        failed = await model.until(Status.STARTING, Status.FAILED)
        assert failed.problem is not None
        assert failed.problem.reason is Reason.ENGINE_FAILED
        assert failed.last_words == ("last word",)
        assert not failed.wakeable
        model.runner.wake()
        asleep = await model.until(Status.STARTING, Status.FAILED, Status.ASLEEP)
        assert asleep.wakeable
        assert asleep.problem == failed.problem
        assert len(starter.started) == 1
        model.runner.wake()
        await model.until(Status.STARTING, Status.FAILED, Status.ASLEEP, Status.STARTING)


async def test_a_start_that_the_system_refuses_is_told() -> None:
    starter = FakeStarter(error=OSError(12, "Cannot allocate memory"))
    async with running(starter) as model:
        model.runner.wake()
        failed = await model.until(Status.STARTING, Status.FAILED)
        assert failed.problem is not None
        assert "Cannot allocate memory" in failed.problem.message


async def test_one_that_cannot_be_tried_is_never_started() -> None:
    starter = FakeStarter()
    text = document("m", rest="lifecycle: {suspend: true}")
    suspended = world_of(load_documents(text, "test"), Machine()).models["m"]
    async with running(starter, suspended) as model:
        model.runner.wake()
        assert model.runner.view.status is Status.BLOCKED
        assert not model.runner.wanted
    assert starter.started == []
