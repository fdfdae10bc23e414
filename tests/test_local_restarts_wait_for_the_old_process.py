"""However often files change, a model's new process starts only when all its old ones are gone."""

import asyncio

from slipway_crds.documents import load_documents
from slipway_local.app.local_models import LocalModels
from slipway_local.domain.view import Status
from slipway_local.domain.world import Machine, World, world_of
from tests.fakes.local_runtime import FakeActivity, FakeStarter
from tests.local_mode import document
from tests.routers import eventually_async

NOTHING = world_of((), Machine())


def world(args: str) -> World:
    return world_of(load_documents(document("m", args=args), "test"), Machine())


async def changed_twice(second: World, third: World) -> None:
    starter = FakeStarter(stubborn=True)
    models = LocalModels(starter, FakeActivity(), lambda before, after: None)
    models.follow(world("[]"))
    models.start(["m"])
    await eventually_async("ready", lambda: models.views()[0].status, lambda status: status is Status.READY)
    try:
        for changed in (second, third):
            models.follow(changed)
            models.start(["m"])
            await asyncio.sleep(0)
        old = starter.started[0]
        await eventually_async("told to end", lambda: old.told, lambda told: told == ["terminate"])
        for _ in range(20):
            await asyncio.sleep(0)
        assert starter.started == [old]
        old.end(0)
        await eventually_async("started anew", lambda: len(starter.started), lambda count: count == 2)
    finally:
        models.kill()
        await models.end(0.0)


async def test_a_model_that_is_changed_twice() -> None:
    await changed_twice(world('["--dimensions=3"]'), world('["--dimensions=4"]'))


async def test_a_model_that_is_removed_and_comes_back() -> None:
    await changed_twice(NOTHING, world("[]"))
