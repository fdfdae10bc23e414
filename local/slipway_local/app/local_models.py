"""All models of this machine: what the router knows of them follows what happens to their processes."""

import asyncio
from collections.abc import Callable, Iterable

from slipway_local.app.runner import Activity, ModelRunner, Starter, Surroundings
from slipway_local.domain.changes import Changes, changes_between
from slipway_local.domain.view import ModelView
from slipway_local.domain.world import LocalModel, World
from slipway_router.domain.models.catalogue import Model

Listener = Callable[[ModelView | None, ModelView], None]
"""Told of every change of a model: its view before (None: it is new) and after."""

_KILL_SECONDS = 5.0
"""After the drain, until what still runs is killed."""


class LocalModels:
    """Holds a runner for each model of the world. The router's `Waker` and `ModelManager`."""

    def __init__(self, starter: Starter, activity: Activity, listener: Listener) -> None:
        self._surroundings = Surroundings(starter, activity, self._changed)
        self._listener = listener
        self._world = World()
        self._runners: dict[str, ModelRunner] = {}
        self._shown: dict[str, ModelView] = {}
        self._tasks: dict[ModelRunner, asyncio.Task[None]] = {}
        self._leaving: set[ModelRunner] = set()

    @property
    def world(self) -> World:
        """What the files ask for."""
        return self._world

    def views(self) -> list[ModelView]:
        """What is known of each model, in the order of the files."""
        return [self._runners[name].view for name in self._world.models]

    def wake(self, model: Model) -> None:
        """Start ``model`` for a request that waits for it."""
        self.start([model.name])

    async def load(self, model: Model) -> None:
        """Start ``model`` without a request."""
        self.start([model.name])

    async def unload(self, model: Model) -> None:
        """Stop ``model`` as soon as no request runs or waits; the next one starts it again."""
        if model.name in self._runners:
            self._runners[model.name].dismiss()

    def start(self, names: Iterable[str]) -> None:
        """Start models by name; unknown ones are left out."""
        for name in names:
            if name in self._runners:
                self._runners[name].wake()

    def follow(self, world: World) -> Changes:
        """Make ``world`` so: at once for the router, for processes as soon as they have drained."""
        changes = changes_between(self._world, world)
        leaving = {name: self._runners.pop(name) for name in (*changes.removed, *changes.restarted)}
        self._world = world
        for name in changes.removed:
            self._shown.pop(name, None)
            self._leave(leaving[name])
        for name in changes.added:
            self._enter(world.models[name])
        for name in changes.restarted:
            self._replace(leaving[name], world.models[name])
        for name in changes.adjusted:
            self._runners[name].adjust(world.models[name])
        return changes

    async def end(self, drain_seconds: float) -> None:
        """End every process; running requests get ``drain_seconds``."""
        tasks = dict(self._tasks)
        for runner in tasks:
            runner.limit_drain(drain_seconds)
            self._leave(runner)
        if tasks:
            await asyncio.wait(tasks.values(), timeout=drain_seconds + _KILL_SECONDS)
        # One that was leaving before knows nothing of the new limit; a second time is understood.
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    def kill(self) -> None:
        """End every process at once; `end` has still to be called."""
        for runner in self._tasks:
            runner.kill()

    def _enter(self, model: LocalModel) -> ModelRunner:
        """A new process only when all old ones are gone: the machine may not have room for more than one."""
        earlier = frozenset(task for runner, task in self._tasks.items() if runner.view.name == model.name)
        runner = self._runners[model.name] = ModelRunner(model, self._surroundings)
        task = self._tasks[runner] = asyncio.create_task(_run(runner, earlier), name=f"model {model.name}")
        task.add_done_callback(lambda _: self._forget(runner))
        return runner

    def _replace(self, old: ModelRunner, model: LocalModel) -> None:
        wanted = old.wanted
        self._leave(old)
        runner = self._enter(model)
        if wanted:
            runner.wake()

    def _leave(self, runner: ModelRunner) -> None:
        """Cancel once: a second time would kill what drains."""
        if runner not in self._leaving:
            self._leaving.add(runner)
            self._tasks[runner].cancel()

    def _forget(self, runner: ModelRunner) -> None:
        self._leaving.discard(runner)
        task = self._tasks.pop(runner)
        if not task.cancelled():
            task.result()  # A runner never returns: what it raised is a defect, for the loop's exception handler.

    def _changed(self, view: ModelView) -> None:
        runner = self._runners.get(view.name)
        if runner is None or runner.view is not view:
            return  # The last words of a runner that has been replaced.
        before = self._shown.get(view.name)
        self._shown[view.name] = view
        self._listener(before, view)


async def _run(runner: ModelRunner, earlier: "frozenset[asyncio.Task[None]]") -> None:
    if earlier:
        await asyncio.wait(earlier)
    await runner.run()
