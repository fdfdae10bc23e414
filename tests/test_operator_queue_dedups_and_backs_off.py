"""The work queue: one worker per key, one pass for many changes, growing delays for failing keys, one timer per key."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from slipway_operator.queue import Backoff, WorkQueue
from tests.fakes.virtual_time import run_virtual

Work = Callable[[str], Awaitable[float | None]]


class Recorder:
    """A queue observer that also runs the queue for a while."""

    def __init__(self) -> None:
        self.depths: list[int] = []
        self.errors: list[Exception | None] = []

    def depth(self, keys: int) -> None:
        self.depths.append(keys)

    def waited(self, seconds: float) -> None:
        assert seconds >= 0

    def worked(self, seconds: float, error: Exception | None) -> None:
        assert seconds >= 0
        self.errors.append(error)


def serve(work: Work, script: Callable[[WorkQueue[str]], Awaitable[None]], workers: int = 4) -> Recorder:
    """Run ``script`` against a queue whose workers do ``work``, then an hour more."""
    recorder = Recorder()

    async def main() -> None:
        queue: WorkQueue[str] = WorkQueue(recorder, Backoff(base=1, cap=60), chance=lambda: 0.0)
        running = asyncio.create_task(queue.run(work, workers))
        await script(queue)
        await asyncio.sleep(3600)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run_virtual(main())
    return recorder


def test_many_changes_become_one_pass() -> None:
    passes: list[str] = []

    async def work(key: str) -> None:
        passes.append(key)

    async def script(queue: WorkQueue[str]) -> None:
        for _ in range(100):
            queue.add("a")
        queue.add("b")

    serve(work, script)
    assert passes == ["a", "b"]


def test_a_change_during_a_pass_leads_to_one_more() -> None:
    passes: list[float] = []

    async def work(key: str) -> None:
        passes.append(asyncio.get_running_loop().time())
        await asyncio.sleep(10)

    async def script(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(1)
        for _ in range(5):
            queue.add("a")

    serve(work, script)
    assert passes == [0, 10]


def test_a_key_is_worked_on_by_one_worker_at_a_time() -> None:
    at_once: dict[str, int] = {"a": 0, "b": 0}
    together: set[str] = set()

    async def work(key: str) -> None:
        at_once[key] += 1
        assert at_once[key] == 1
        if all(at_once.values()):
            together.update(at_once)
        await asyncio.sleep(1)
        at_once[key] -= 1

    async def script(queue: WorkQueue[str]) -> None:
        for _ in range(20):
            queue.add("a")
            queue.add("b")
            await asyncio.sleep(0.3)

    recorder = serve(work, script)
    assert together == {"a", "b"}
    assert set(recorder.errors) == {None}


def test_a_failing_key_waits_longer_each_time_up_to_the_cap() -> None:
    passes: list[float] = []

    async def work(key: str) -> None:
        passes.append(asyncio.get_running_loop().time())
        if len(passes) < 10:
            raise ValueError("not yet")

    async def script(queue: WorkQueue[str]) -> None:
        queue.add("a")

    recorder = serve(work, script)
    gaps = [round(after - before, 3) for before, after in itertools.pairwise(passes)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [type(error) for error in recorder.errors] == [ValueError] * 9 + [type(None)]


def test_a_success_resets_the_delay() -> None:
    passes: list[float] = []

    async def work(key: str) -> float | None:
        passes.append(asyncio.get_running_loop().time())
        if len(passes) == 3:
            return 100
        if len(passes) == 5:
            return None
        raise ValueError("fails")

    async def script(queue: WorkQueue[str]) -> None:
        queue.add("a")

    serve(work, script)
    assert passes == [0, 1, 3, 103, 104]


def test_a_key_has_one_timer_which_is_the_soonest() -> None:
    passes: list[float] = []

    async def work(key: str) -> None:
        passes.append(asyncio.get_running_loop().time())

    async def script(queue: WorkQueue[str]) -> None:
        queue.add_after("a", 50)
        queue.add_after("a", 5)
        queue.add_after("a", 20)

    serve(work, script)
    assert passes == [5]


def test_a_pass_takes_the_place_of_a_pending_timer() -> None:
    passes: list[float] = []

    async def work(key: str) -> None:
        passes.append(asyncio.get_running_loop().time())

    async def script(queue: WorkQueue[str]) -> None:
        queue.add_after("a", 50)
        queue.add("a")

    serve(work, script)
    assert passes == [0]


def test_what_is_new_goes_before_a_second_look_but_not_for_long() -> None:
    passes: list[str] = []

    async def work(key: str) -> None:
        passes.append(key)
        await asyncio.sleep(10)

    async def script(queue: WorkQueue[str]) -> None:
        queue.add("busy")
        await asyncio.sleep(0.1)
        queue.add_after("old", 1)
        await asyncio.sleep(1.5)
        queue.add("new")
        await asyncio.sleep(1.5)
        queue.add("late")

    serve(work, script, workers=1)
    assert passes == ["busy", "new", "old", "late"]


def test_a_pass_says_when_it_wants_the_key_again() -> None:
    passes: list[float] = []

    async def work(key: str) -> float | None:
        passes.append(asyncio.get_running_loop().time())
        return 7 if len(passes) < 3 else None

    async def script(queue: WorkQueue[str]) -> None:
        queue.add("a")

    serve(work, script)
    assert passes == [0, 7, 14]


@pytest.mark.parametrize(("failures", "chance", "seconds"), [(1, 0, 1), (1, 1, 0.5), (3, 0.5, 3), (5000, 0, 60)])
def test_the_delay_grows_and_is_spread(failures: int, chance: float, seconds: float) -> None:
    assert Backoff(base=1, cap=60).delay(failures, chance) == seconds
