"""A model that sleeps wakes for its first callers, once, and sleeps again when nobody asks; whoever dies meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.fixtures import Cluster
from tests.eventually import eventually
from tests.installation import SYSTEM_NAMESPACE, Installation, api_key, model, wait_rolled_out
from tests.killing import kill_pods
from tests.waking_callers import Answer, Callers, outcomes

pytestmark = pytest.mark.cluster

IDLE = "8s"
CALLERS = 200


def sleepy(name: str, *args: str, **scaling: Any) -> str:
    """A model that sleeps."""
    return model(
        name,
        engine={"type": "dummy", "args": ["--load-seconds=3", *args]},
        autoscaling={
            "minReplicas": 0,
            "maxReplicas": 2,
            "metrics": [{"type": "inFlight", "target": 1000}],
            "scaleToZero": {"idleAfter": IDLE},
            **scaling,
        },
    )


@pytest.fixture(scope="module")
def served(killable: Cluster, module_installation: Installation) -> Installation:
    module_installation.apply(api_key())
    return module_installation


@pytest.fixture(scope="module")
def callers(served: Installation) -> Callers:
    return Callers(served.router_url, served.key())


def asleep(installation: Installation, name: str) -> None:
    """Wait until the model sleeps."""

    def seen() -> tuple[str, int]:
        condition = installation.condition(name)
        wanted = installation.get("deployment", name)["spec"]["replicas"]
        return f"{condition.get('status')} {condition.get('reason')}", wanted

    eventually(f"{name} sleeps", seen, lambda it: it == ("True ScaledToZero", 0), within=60)


def pods(installation: Installation, name: str) -> list[str]:
    """Names of the model's pods."""
    return [pod["metadata"]["name"] for pod in installation.get("pods", "-l", f"slipway.dev/model={name}")["items"]]


def no_pods(installation: Installation, name: str) -> None:
    eventually(f"{name} has no pods", lambda: pods(installation, name), lambda names: not names, within=60)


def call(callers: Callers, name: str, count: int, tokens: int = 5) -> list[Answer]:
    return asyncio.run(callers.all_at_once(name, count, tokens))


@contextmanager
def calling(callers: Callers, name: str, count: int, tokens: int = 5) -> Iterator[list[Answer]]:
    """Calls meanwhile; the answers are there after the block."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.extend(call(callers, name, count, tokens)))
    thread.start()
    try:
        yield answers
    finally:
        thread.join(150)


def scale(installation: Installation, component: str, replicas: int) -> None:
    installation.kubectl("scale", f"deployment/slipway-{component}", f"--replicas={replicas}", "-n", SYSTEM_NAMESPACE)
    wait_rolled_out(installation.kubectl, component)


def test_many_callers_wake_one_pod_and_all_are_answered(served: Installation, callers: Callers) -> None:
    served.apply(sleepy("many"))
    asleep(served, "many")
    answers = call(callers, "many", CALLERS)
    assert outcomes(answers) == {"complete": CALLERS}
    assert len(pods(served, "many")) == 1
    phases = {phase for answer in answers for phase in answer.phases}
    assert "loading" in phases
    asleep(served, "many")
    no_pods(served, "many")


def test_a_stream_longer_than_the_idle_time_keeps_it_awake(served: Installation, callers: Callers) -> None:
    served.apply(sleepy("streaming", "--tokens-per-second=5"))
    asleep(served, "streaming")
    answers = call(callers, "streaming", 2, tokens=80)  # 16 s, twice the idle time
    assert outcomes(answers) == {"complete": 2}
    asleep(served, "streaming")


def test_demand_that_no_operator_saw_wakes_it_when_there_is_one(served: Installation, callers: Callers) -> None:
    served.apply(sleepy("patient"))
    asleep(served, "patient")
    scale(served, "operator", 0)
    try:
        with calling(callers, "patient", 4) as answers:
            demand = eventually(
                "the demand is written",
                lambda: served.get("mdep", "patient")["status"].get("demand", {}).get("waiting", 0),
                lambda waiting: waiting > 0,
                within=20,
            )
            assert pods(served, "patient") == []
            scale(served, "operator", 1)
    finally:
        scale(served, "operator", 1)
    assert demand > 0
    assert outcomes(answers) == {"complete": 4}


def test_a_wake_survives_the_death_of_the_operator(killable: Cluster, served: Installation, callers: Callers) -> None:
    served.apply(sleepy("robust"))
    asleep(served, "robust")
    with calling(callers, "robust", 4) as answers:
        eventually("it wakes", lambda: pods(served, "robust"), bool, within=30)
        kill_pods(killable, "operator")
    assert outcomes(answers) == {"complete": 4}
    # The operator dies again while it falls asleep.
    eventually(
        "it falls asleep", lambda: served.get("deployment", "robust")["spec"]["replicas"], lambda n: n == 0, within=60
    )
    kill_pods(killable, "operator")
    asleep(served, "robust")
    no_pods(served, "robust")


def test_a_wake_survives_the_death_of_the_router(killable: Cluster, served: Installation, callers: Callers) -> None:
    served.apply(sleepy("stubborn"))
    asleep(served, "stubborn")
    with calling(callers, "stubborn", 4):
        eventually("it wakes", lambda: pods(served, "stubborn"), bool, within=30)
        kill_pods(killable, "router")
    wait_rolled_out(served.kubectl, "router")
    served.wait_routable(served.client(callers.key), "stubborn", within=30)
    assert outcomes(call(callers, "stubborn", 4)) == {"complete": 4}
    # Nobody repeats the word of the router that is gone.
    asleep(served, "stubborn")
