"""A runtime is asked twice a second until it is ready, and then never again."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from slipway_operator.app.runtimes import Runtimes
from slipway_operator.domain.pods import Pod
from slipway_operator.domain.resources import MODEL_DEPLOYMENT, Ref
from slipway_operator.domain.runtime_state import RuntimeState
from tests.fakes.runtimes import FakeRuntimes
from tests.fakes.virtual_time import run_virtual

KEY = Ref(MODEL_DEPLOYMENT, "models", "m")
STARTING = Pod("m-1", "r1", "", "Running", ready=False, terminating=False, running=True, uid="u", ip="10.0.0.1")
READY = replace(STARTING, ready=True)


class Asking:
    """`Runtimes` at work in virtual time, on one pod."""

    def __init__(self) -> None:
        self.answering = FakeRuntimes()
        self.passes: list[float] = []
        self.runtimes = Runtimes(self.answering, lambda key, seconds: self.passes.append(self.time()))

    def time(self) -> float:
        return asyncio.get_running_loop().time()

    def says(self, phase: str) -> None:
        self.answering.answers["10.0.0.1"] = RuntimeState(phase=phase)

    @property
    def asked(self) -> int:
        return len(self.answering.asked)


Step = Callable[[Asking], object]


def says(phase: str) -> Step:
    return lambda asking: asking.says(phase)


def seen(*pods: Pod) -> Step:
    """A pass."""
    return lambda asking: asking.runtimes.of(KEY, pods)


def at_work(*stages: tuple[Step, ...], every: float = 10.0) -> Asking:
    """Each of ``stages``, in its turn, goes on for ``every`` seconds."""
    asking = Asking()

    async def main() -> None:
        work = asyncio.create_task(asking.runtimes.run())
        for stage in stages:
            for step in stage:
                step(asking)
            await asyncio.sleep(every)
        work.cancel()
        await asyncio.wait({work})

    run_virtual(main())
    return asking


def test_it_is_asked_twice_a_second_and_each_new_phase_is_told() -> None:
    asking = at_work((says("fetching"), seen(STARTING)), (says("loading"),), (says("ready"),), (seen(READY),))
    assert asking.asked == pytest.approx(41, abs=1)
    assert [round(moment) for moment in asking.passes] == [0, 10, 20]


def test_one_that_does_not_listen_yet_is_asked_on() -> None:
    asking = at_work((seen(STARTING),))
    assert asking.asked == pytest.approx(20, abs=1)
    assert asking.passes == []


def test_one_that_never_answers_is_given_up_when_its_pod_serves() -> None:
    asking = at_work((seen(READY),), every=60)
    assert asking.asked == 3
    assert len(asking.passes) == 1


def test_a_pod_that_is_gone_is_not_asked() -> None:
    asking = at_work((seen(STARTING),), (seen(),), every=1)
    assert asking.asked == pytest.approx(2, abs=1)


def test_a_pod_that_is_seen_again_is_asked_no_more_often() -> None:
    asking = at_work((seen(STARTING),), (seen(), seen(STARTING)))
    assert asking.asked == pytest.approx(40, abs=1)
