"""A model that is not wanted any more stops when nobody uses it, while it starts, too; a wake keeps it. With a fake
process."""

import asyncio

import pytest

from slipway_local.domain.view import Status
from tests.fakes.local_runtime import FakeActivity, FakeStarter
from tests.test_local_runner_takes_a_model_through_its_life import running


@pytest.mark.parametrize(("phase", "before"), [("loading", ()), ("ready", (Status.READY,))])
async def test_an_unused_one_stops(phase: str, before: tuple[Status, ...]) -> None:
    starter = FakeStarter(phase=phase)
    async with running(starter, activity=FakeActivity(idle=1.0)) as model:
        model.runner.wake()
        await model.until(Status.STARTING, *before)
        model.runner.dismiss()
        await model.until(Status.STARTING, *before, Status.STOPPING, Status.ASLEEP)
        assert starter.started[0].told == ["terminate"]
        model.runner.wake()
        await model.until(Status.STARTING, *before, Status.STOPPING, Status.ASLEEP, Status.STARTING)


async def test_one_that_is_used_stops_afterwards() -> None:
    activity, starter = FakeActivity(idle=0.0), FakeStarter()
    async with running(starter, activity=activity) as model:
        model.runner.wake()
        await model.until(Status.STARTING, Status.READY)
        model.runner.dismiss()
        await asyncio.wait({asyncio.ensure_future(starter.started[0].wait())}, timeout=0.05)
        assert model.statuses[-1] is Status.READY
        activity.idle = 1.0
        await model.until(Status.STARTING, Status.READY, Status.STOPPING, Status.ASLEEP)


async def test_a_wake_keeps_it() -> None:
    activity, starter = FakeActivity(idle=0.0), FakeStarter()
    async with running(starter, activity=activity) as model:
        model.runner.wake()
        await model.until(Status.STARTING, Status.READY)
        model.runner.dismiss()
        model.runner.wake()
        activity.idle = 1.0
        await asyncio.wait({asyncio.ensure_future(starter.started[0].wait())}, timeout=0.05)
        assert model.statuses[-1] is Status.READY


async def test_a_sleeping_one_stays_asleep() -> None:
    starter = FakeStarter()
    async with running(starter) as model:
        model.runner.dismiss()
        assert model.runner.view.status is Status.ASLEEP
        model.runner.wake()
        await model.until(Status.STARTING, Status.READY)
