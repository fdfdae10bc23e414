"""Where the time of a start goes: in the status while it goes on and after it, and in the metrics once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, POD, Ref
from slipway_operator.domain.runtime_state import RuntimeState
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, START, Operator, model

MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
FETCHED, LOADED = {"fetching": 12.345}, {"fetching": 12.345, "loading": 8.0}
READY = {**LOADED, "warming": 0.5, "ready": 1.0}


def moment(seconds: float) -> str:
    """As Kubernetes writes it."""
    return (START + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")


class Start:
    """A model whose first pod comes up step by step, and an operator that watches."""

    def __init__(self, engine: str = "dummy") -> None:
        self.cluster = FakeCluster()
        self.cluster.put(model(engine={"type": engine}, model={"source": "hf://org/repo"}))
        self.operator = Operator(self.cluster)
        self.engine = engine
        self.looked()

    def record(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.cluster.objects[MODEL]["status"].get("coldStart")
        return found

    @property
    def message(self) -> str:
        conditions = self.cluster.objects[MODEL]["status"]["conditions"]
        return str(next(item["message"] for item in conditions if item["type"] == "Ready"))

    def pod(self, number: int = 1, restarts: int = 0, **since: float) -> None:
        """A pod that was ``created``, ``scheduled``, ``running`` and ``ready`` at these seconds, as far as it is."""
        labels = {"slipway.dev/model": "m", "slipway.dev/engine": self.engine, "pod-template-hash": "r1"}
        running = {"running": {"startedAt": moment(since["running"])}} if "running" in since else {"waiting": {}}
        kinds = {"scheduled": "PodScheduled", "ready": "Ready"}
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": moment(since[name])}
            for name, kind in kinds.items()
            if name in since
        ]
        container = {"name": "runtime", "image": "x", "restartCount": restarts, "state": running}
        metadata = {"name": f"m-{number}", "namespace": NAMESPACE, "labels": labels}
        metadata["creationTimestamp"] = moment(since["created"])
        status = {
            "phase": "Running" if "running" in since else "Pending",
            "podIP": f"10.0.0.{number}",
            "conditions": conditions,
            "containerStatuses": [container],
        }
        self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
        ready = int("ready" in since)
        counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready}
        self.cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"observedGeneration": 1, **counts})

    def says(self, phase: str, spent: dict[str, float], number: int = 1) -> None:
        """What the runtime answers from now on."""
        self.operator.runtimes.answers[f"10.0.0.{number}"] = RuntimeState(phase=phase, seconds=spent)

    def at(self, seconds: float) -> None:
        """It is so late, and all is looked at."""
        self.operator.clock.seconds = seconds
        self.looked()

    def looked(self) -> None:
        """Every question has its answer, and the model had its passes."""

        async def ask() -> None:
            asking = asyncio.create_task(self.operator.asked.run())
            for _ in range(50):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking})

        late = self.operator.clock.seconds
        self.operator.settle("m")
        asyncio.run(ask())
        self.operator.settle("m")
        self.operator.clock.seconds = late


def came_up() -> Start:
    start = Start()
    start.pod(created=10)
    start.at(10.2)
    start.pod(created=10, scheduled=10)
    start.at(10.5)
    start.says("ready", READY)
    start.pod(created=10, scheduled=10, running=14, ready=36)
    start.at(36.75)
    return start


def test_each_phase_is_told_while_it_lasts() -> None:
    start = Start()
    assert start.record() is None
    start.pod(created=10)
    start.at(10.2)
    assert start.record() == {"phase": "scheduling", "startedAt": moment(10)}
    start.pod(created=10, scheduled=10)
    start.at(10.7)
    pulling = {"startedAt": moment(10), "scheduledSeconds": 0.5}
    assert start.record() == {"phase": "pulling", **pulling}
    start.pod(created=10, scheduled=10, running=14)
    start.at(14.2)
    running = {**pulling, "pulledSeconds": 3.5}
    assert start.record() == {"phase": "fetching", **running}
    assert start.message == "fetching the weights"


@pytest.mark.parametrize(
    ("phase", "spent", "known", "words"),
    [
        ("fetching", {"fetching": 3.0}, {"phase": "fetching"}, "fetching the weights"),
        ("loading", {**FETCHED, "loading": 1.0}, {"phase": "loading", "fetchedSeconds": 12.35}, "loading the model"),
        (
            "warming",
            {**LOADED, "warming": 0.1},
            {"phase": "warming", "fetchedSeconds": 12.35, "loadedSeconds": 8.0},
            "warming up",
        ),
        (
            "ready",
            READY,
            {"phase": "warming", "fetchedSeconds": 12.35, "loadedSeconds": 8.0, "warmedSeconds": 0.5},
            "warming up",
        ),
    ],
)
def test_the_runtime_tells_the_rest(phase: str, spent: dict[str, float], known: dict[str, Any], words: str) -> None:
    start = Start()
    start.says(phase, spent)
    start.pod(created=10, scheduled=10, running=14)
    start.at(14.2)
    before = {"startedAt": moment(10), "scheduledSeconds": 0.0, "pulledSeconds": 3.2}
    assert start.record() == {**before, **known}
    assert start.message == words


def test_a_start_that_is_over_has_its_figures_and_no_phase() -> None:
    assert came_up().record() == {
        "startedAt": moment(10),
        "scheduledSeconds": 0.3,
        "pulledSeconds": 4.5,
        "fetchedSeconds": 12.35,
        "loadedSeconds": 8.0,
        "warmedSeconds": 0.5,
        "totalSeconds": 26.55,
    }


def test_every_start_is_counted_once() -> None:
    start = came_up()
    counted = list(start.operator.starts.seconds)
    assert dict(counted) == {
        "scheduled": 0.3,
        "pulled": 4.5,
        "fetched": 12.35,
        "loaded": 8.0,
        "warmed": 0.5,
        "total": 26.55,
    }
    start.at(60)
    assert start.operator.starts.seconds == counted


def test_an_operator_that_begins_anew_writes_and_counts_nothing() -> None:
    start = came_up()
    written = list(start.cluster.writes)
    start.operator = Operator(start.cluster, start.operator.clock)
    start.says("ready", READY)
    start.at(3600)
    assert start.cluster.writes == written
    assert start.operator.starts.seconds == []


def test_an_operator_that_begins_in_the_midst_of_a_start_writes_nothing() -> None:
    start = Start()
    start.says("loading", {**FETCHED, "loading": 1.0})
    start.pod(created=10, scheduled=10, running=14)
    start.at(14.2)
    written = list(start.cluster.writes)
    start.operator = Operator(start.cluster, start.operator.clock)
    start.says("loading", {**FETCHED, "loading": 9.0})
    start.at(30)
    assert start.cluster.writes == written


def test_bytes_and_seconds_that_go_on_are_not_written() -> None:
    start = Start()
    start.says("fetching", {"fetching": 3.0})
    start.pod(created=10, scheduled=10, running=14)
    start.at(14.2)
    written = list(start.cluster.writes)
    start.says("fetching", {"fetching": 60.0})
    start.at(80)
    assert start.cluster.writes == written


def test_the_last_start_is_told_while_none_goes_on() -> None:
    start = came_up()
    figures = start.record()
    start.cluster.remove(Ref(POD, NAMESPACE, "m-1"))
    start.cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"observedGeneration": 1})
    start.at(100)
    assert start.record() == figures
    start.pod(2, created=200)
    start.at(200.5)
    assert start.record() == {"phase": "scheduling", "startedAt": moment(200)}
    start.cluster.remove(Ref(POD, NAMESPACE, "m-2"))
    start.at(300)
    assert start.record() == figures


def test_while_a_pod_serves_another_one_that_starts_is_not_told() -> None:
    start = came_up()
    figures = start.record()
    start.pod(2, created=200)
    start.at(200.5)
    assert start.record() == figures
    start.says("ready", READY, number=2)
    start.pod(2, created=200, scheduled=200, running=210, ready=240)
    start.at(240.5)
    record = start.record()
    assert record is not None
    assert record["startedAt"] == moment(200)


def test_the_pod_that_is_furthest_is_told() -> None:
    start = Start()
    start.pod(1, created=10, scheduled=10)
    start.says("loading", {**FETCHED, "loading": 1.0}, number=2)
    start.pod(2, created=12, scheduled=12, running=14)
    start.pod(3, created=13)
    start.at(14.2)
    record = start.record()
    assert record is not None
    assert (record["phase"], record["startedAt"]) == ("loading", moment(12))


def test_a_container_that_was_started_again_has_a_start_of_its_own() -> None:
    start = Start()
    start.says("ready", READY)
    start.pod(restarts=2, created=10, scheduled=10, running=100, ready=130)
    start.at(130.5)
    figures = {"fetchedSeconds": 12.35, "loadedSeconds": 8.0, "warmedSeconds": 0.5, "totalSeconds": 29.5}
    assert start.record() == {"startedAt": moment(100), **figures}


def test_a_container_without_a_control_port_loads() -> None:
    start = Start("tei")
    start.pod(created=10, scheduled=10, running=14)
    start.at(14.5)
    record = start.record()
    assert record is not None
    assert record["phase"] == "loading"
    start.pod(created=10, scheduled=10, running=14, ready=44)
    start.at(44.5)
    assert start.record() == {
        "startedAt": moment(10),
        "scheduledSeconds": 0.0,
        "pulledSeconds": 3.5,
        "loadedSeconds": 30.0,
        "totalSeconds": 33.5,
    }
    assert start.operator.runtimes.asked == []
