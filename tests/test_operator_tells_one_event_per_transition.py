"""Events mark changes of the Ready condition: one each, none for mere steps, none twice."""

from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, model

MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
QUOTA = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.put(model())
    Operator(cluster).settle("m")
    return cluster


def look(cluster: FakeCluster, **status: Any) -> None:
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"observedGeneration": 1, **status})
    Operator(cluster).settle("m")


def told(cluster: FakeCluster) -> list[tuple[str, str]]:
    return [(event["type"], event["reason"]) for event in cluster.events]


def test_events_of_a_life(cluster: FakeCluster) -> None:
    assert told(cluster) == []
    look(cluster, conditions=[QUOTA])
    look(cluster, replicas=1, readyReplicas=1, updatedReplicas=1)
    look(cluster, replicas=1, readyReplicas=1, updatedReplicas=1, availableReplicas=1)
    cluster.put(model(lifecycle={"suspend": True}))
    look(cluster)
    assert told(cluster) == [("Warning", "QuotaExceeded"), ("Normal", "Ready"), ("Normal", "Suspended")]


def test_an_event_says_what_it_is_about(cluster: FakeCluster) -> None:
    look(cluster, conditions=[QUOTA])
    event = cluster.events[0]
    assert event["note"] == "exceeded quota: gpus"
    assert event["regarding"]["uid"] == cluster.objects[MODEL]["metadata"]["uid"]
    assert (event["action"], event["reportingController"]) == ("Ready", "slipway.dev/slipway-operator")


def test_a_transition_seen_twice_has_one_name(cluster: FakeCluster) -> None:
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"conditions": [QUOTA]})
    for _ in range(2):
        operator = Operator(cluster)
        operator.world.freeze()
        before = cluster.objects[MODEL]["status"]
        operator.pass_over("m")
        cluster.objects[MODEL]["status"] = before
    names = {event["metadata"]["name"] for event in cluster.events}
    assert len(cluster.events) == 2
    assert len(names) == 1


def test_the_transition_time_moves_with_the_status_only(cluster: FakeCluster) -> None:
    operator = Operator(cluster)
    operator.clock.seconds = 100
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"conditions": [QUOTA]})
    operator.settle("m")
    first = cluster.objects[MODEL]["status"]["conditions"][-1]
    assert (first["reason"], first["lastTransitionTime"]) == ("QuotaExceeded", "2026-01-01T00:00:00Z")
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"replicas": 1, "readyReplicas": 1})
    operator.settle("m")
    assert cluster.objects[MODEL]["status"]["conditions"][-1]["lastTransitionTime"] == "2026-01-01T00:01:40Z"


def test_the_routers_part_of_the_status_is_never_touched(cluster: FakeCluster) -> None:
    body = cluster.objects[MODEL]
    demand = {"lastActiveAt": "2026-01-01T00:00:00Z", "waiting": 3}
    head = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {"name": "m", "namespace": NAMESPACE}}
    cluster.put({**head, "status": {"demand": demand}}, manager="slipway-router")
    settled = len(cluster.writes)
    Operator(cluster).settle("m")
    assert cluster.writes[settled:] == []
    look(cluster, replicas=1, readyReplicas=1, updatedReplicas=1)
    assert cluster.objects[MODEL]["status"]["demand"] == demand
