"""A model that may sleep has replicas while it is used, and none after its idle time; the operator alone decides."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, HPA, MODEL_DEPLOYMENT, POD, Manifest, Ref
from tests.fakes.cluster import CrashError, FakeCluster
from tests.operators import NAMESPACE, START, Operator, conditions, model, ready

KEY = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
IDLE = 600.0


class World:
    """A model that may sleep, its operator, and what Kubernetes and routers do."""

    def __init__(self, min_replicas: int = 0, **spec: Any) -> None:
        self.cluster = FakeCluster()
        self.operator = Operator(self.cluster)
        scaling = {"minReplicas": min_replicas, "maxReplicas": 4, "scaleToZero": {"idleAfter": "10m"}}
        scaling |= spec.pop("autoscaling", {})
        self.cluster.put(model(autoscaling=scaling, **{"resources": {"requests": {"cpu": "1"}}, **spec}))
        self.settle()

    def settle(self) -> None:
        for _ in range(10):
            before = len(self.cluster.writes)
            wait = self.operator.pass_over("m")
            if len(self.cluster.writes) > before:
                continue
            if wait is None or wait >= 1:
                return
            self.operator.clock.seconds += wait
        raise AssertionError(f"still writing: {self.cluster.writes[-5:]}")

    def demand(self, waiting: int = 0, ago: float = 0.0) -> None:
        """What a router writes."""
        moment = self.operator.clock.now() - timedelta(seconds=ago)
        demand = {"lastActiveAt": moment.isoformat(), "waiting": waiting}
        status = self.cluster.objects[KEY].get("status", {})
        self.cluster.set_status(KEY, {**status, "demand": demand})
        self.settle()

    def pass_time(self, seconds: float) -> None:
        self.operator.clock.seconds += seconds
        self.settle()

    def pods(self, *, is_ready: bool, count: int = 1) -> None:
        """What the kubelet makes of the Deployment."""
        for ref in [ref for ref in self.cluster.objects if ref.resource is POD]:
            self.cluster.remove(ref)
        for number in range(count):
            self.cluster.put(_pod(number, is_ready, self.operator.clock.now().isoformat()), manager="kubelet")
            ref = Ref(POD, NAMESPACE, f"m-{number}")
            self.cluster.set_status(ref, _pod_status(is_ready, self.operator.clock.now().isoformat()))
        deployment = Ref(DEPLOYMENT, NAMESPACE, "m")
        count_ready = count if is_ready else 0
        status = {"replicas": count, "readyReplicas": count_ready, "updatedReplicas": count, "observedGeneration": 9}
        self.cluster.set_status(deployment, status)
        self.settle()

    def scale(self, replicas: int) -> None:
        """What an autoscaler does."""
        head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "m", "namespace": NAMESPACE}}
        self.cluster.put({**head, "spec": {"replicas": replicas}}, manager="kube-controller-manager")

    @property
    def replicas(self) -> int:
        return int(self.cluster.of_kind(DEPLOYMENT)["m"]["spec"].get("replicas", 1))

    @property
    def body(self) -> Manifest:
        return self.cluster.objects[KEY]


def _pod(number: int, is_ready: bool, now: str) -> Manifest:
    labels = {"slipway.dev/model": "m", "app.kubernetes.io/managed-by": "slipway-operator"}
    metadata = {"name": f"m-{number}", "namespace": NAMESPACE, "labels": labels, "creationTimestamp": now}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}}


def _pod_status(is_ready: bool, now: str) -> dict[str, Any]:
    state = [{"type": "Ready", "status": "True" if is_ready else "False", "lastTransitionTime": now}]
    return {"phase": "Running", "podIP": "10.0.0.9", "conditions": state}


@pytest.mark.parametrize(("min_replicas", "replicas"), [(0, 0), (1, 1)])
def test_a_new_model_begins_as_its_minimum_says(min_replicas: int, replicas: int) -> None:
    assert World(min_replicas).replicas == replicas


def test_a_sleeping_model_can_serve_and_keeps_its_autoscaler() -> None:
    world = World()
    assert ready(world.body) == ("True", "ScaledToZero")
    assert conditions(world.body)["AutoscalingReady"] == ("True", "AutoscalingConfigured")
    assert world.body["status"]["asleepSince"].startswith("2026-01-01T00:00:00")
    assert world.cluster.of_kind(HPA)["m"]["spec"]["minReplicas"] == 1


def test_a_request_wakes_it_with_one_replica_that_the_autoscaler_may_change() -> None:
    world = World()
    world.pass_time(5000)
    world.demand(waiting=200)
    assert world.replicas == 1
    assert "asleepSince" not in world.body["status"]
    assert ready(world.body) == ("False", "Pending")
    world.scale(3)
    world.settle()
    assert world.replicas == 3


def test_any_number_of_waiting_requests_wakes_it_once() -> None:
    world = World()
    world.demand(waiting=1)
    writes = [write for write in world.cluster.writes if write.endswith(" Deployment m")]
    for waiting in (50, 120, 200):
        world.operator.clock.seconds += 1
        world.demand(waiting=waiting)
    assert [write for write in world.cluster.writes if write.endswith(" Deployment m")] == writes


def test_waking_takes_one_write_and_is_told_only_then() -> None:
    world = World()
    before = len(world.cluster.writes)
    world.demand(waiting=1)
    assert world.cluster.writes[before:] == ["overwrite Deployment m", "status ModelDeployment m"]


def test_it_wakes_although_its_last_gpu_pods_are_still_counted() -> None:
    world = World(engine={"type": "vllm"}, resources={"gpu": {"count": 1}})
    world.cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"replicas": 1})
    world.demand(waiting=1)
    assert world.replicas == 1


def test_a_change_of_its_pods_while_it_sleeps_is_there_when_it_wakes() -> None:
    world = World()
    scaling = {"minReplicas": 0, "maxReplicas": 4, "scaleToZero": {"idleAfter": "10m"}}
    engine = {"type": "dummy", "args": ["--new"]}
    world.cluster.put(model(autoscaling=scaling, resources={"requests": {"cpu": "1"}}, engine=engine))
    world.demand(waiting=1)
    assert world.replicas == 1
    world.scale(3)
    world.settle()
    assert world.replicas == 3


def test_starting_is_no_idleness_however_long_it_takes() -> None:
    world = World()
    world.demand(waiting=1)
    world.pods(is_ready=False)
    world.demand(waiting=0)
    world.pass_time(10 * IDLE)
    assert world.replicas == 1
    world.pods(is_ready=True)
    world.pass_time(IDLE - 1)
    assert world.replicas == 1


def test_it_sleeps_after_its_idle_time_and_not_before() -> None:
    world = World(1)
    world.pods(is_ready=True)
    world.pass_time(100)
    world.demand()
    world.pass_time(IDLE - 1)
    assert world.replicas == 1
    world.pass_time(1)
    assert world.replicas == 0
    assert ready(world.body) == ("True", "ScaledToZero")


def test_the_next_look_is_when_it_may_sleep() -> None:
    world = World(1)
    world.pods(is_ready=True)
    world.demand(ago=0)
    wait = world.operator.pass_over("m")
    assert wait == pytest.approx(IDLE)


def test_all_replicas_go_at_once() -> None:
    world = World(1)
    world.scale(3)
    world.pods(is_ready=True, count=3)
    world.pass_time(IDLE)
    assert world.replicas == 0


def test_it_stays_while_requests_wait_although_none_ran() -> None:
    world = World(1)
    world.pods(is_ready=True)
    world.operator.clock.seconds += IDLE - 30
    world.demand(waiting=3)
    world.pass_time(IDLE - 1)
    assert world.replicas == 1


def test_waiting_requests_of_a_router_that_is_gone_do_not_keep_it_awake() -> None:
    world = World(1)
    world.pods(is_ready=True)
    world.demand(waiting=3)
    world.pass_time(IDLE)
    assert world.replicas == 0


def test_requests_that_no_router_told_of_keep_it_awake() -> None:
    world = World(1)
    world.pods(is_ready=True)
    world.operator.runtimes.requests["10.0.0.9"] = 1
    world.pass_time(IDLE)
    assert world.replicas == 1
    world.operator.runtimes.requests["10.0.0.9"] = 0
    world.pass_time(IDLE - 1)
    assert world.replicas == 1
    world.pass_time(1)
    assert world.replicas == 0


def test_demand_from_before_its_sleep_does_not_wake_it() -> None:
    world = World(1)
    world.pods(is_ready=True)
    world.pass_time(IDLE)
    world.demand(ago=IDLE)
    assert world.replicas == 0


def test_demand_that_was_written_while_no_operator_ran_wakes_it() -> None:
    world = World()
    moment = START + timedelta(seconds=60)
    status = {**world.body["status"], "demand": {"lastActiveAt": moment.isoformat(), "waiting": 0}}
    world.cluster.set_status(KEY, status)
    world.operator = Operator(world.cluster)
    world.operator.clock.seconds = 3600
    world.settle()
    assert world.replicas == 1


def test_suspension_wins_and_its_end_begins_anew() -> None:
    world = World(lifecycle={"suspend": True})
    world.demand(waiting=1)
    assert (world.replicas, ready(world.body)) == (0, ("False", "Suspended"))
    scaling = {"minReplicas": 1, "maxReplicas": 4, "scaleToZero": {"idleAfter": "10m"}}
    world.cluster.put(model(autoscaling=scaling, resources={"requests": {"cpu": "1"}}))
    world.settle()
    assert world.replicas == 1


def test_a_warm_window_wakes_it_and_raises_the_minimum() -> None:
    windows = [{"start": "0 8 * * *", "end": "0 18 * * *", "minReplicas": 2}]
    world = World(autoscaling={"warmWindows": windows})
    assert world.replicas == 0
    assert world.operator.pass_over("m") == pytest.approx(8 * 3600 - world.operator.clock.seconds)
    world.pass_time(8 * 3600)
    assert (world.replicas, world.cluster.of_kind(HPA)["m"]["spec"]["minReplicas"]) == (2, 2)
    world.pods(is_ready=True, count=2)
    world.pass_time(5 * 3600)
    assert world.replicas == 2
    world.pass_time(5 * 3600)
    assert (world.replicas, world.cluster.of_kind(HPA)["m"]["spec"]["minReplicas"]) == (0, 1)


def test_a_window_that_cannot_be_understood_is_told() -> None:
    world = World(autoscaling={"warmWindows": [{"start": "0 25 * * *", "end": "0 18 * * *"}]})
    found = {item["type"]: item for item in world.body["status"]["conditions"]}["Ready"]
    assert (found["status"], found["reason"]) == ("False", "InvalidConfiguration")
    assert "warmWindows: '0 25 * * *' is no schedule" in found["message"]


@pytest.mark.parametrize("crash_after", range(6))
def test_a_crash_at_any_write_of_a_wake_or_of_falling_asleep_loses_nothing(crash_after: int) -> None:
    world = World()
    steps: list[tuple[Callable[[], None], int]] = [
        (lambda: world.demand(waiting=1), 1),
        (lambda: world.pass_time(IDLE), 0),
    ]
    for act, replicas in steps:
        world.cluster.crash_after = len(world.cluster.writes) + crash_after
        with suppress(CrashError):
            act()
        world.cluster.crash_after = None
        clock = world.operator.clock
        world.operator = Operator(world.cluster, clock)
        world.settle()
        assert world.replicas == replicas
        world.pods(is_ready=True, count=replicas)
