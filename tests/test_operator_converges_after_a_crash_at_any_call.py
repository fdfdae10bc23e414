"""An operator that dies before any of its writes leaves nothing that the next one cannot finish."""

from typing import Any

import pytest

from slipway_operator.domain.resources import API_KEY, MODEL_DEPLOYMENT, SECRET, Ref
from tests.fakes.cluster import CrashError, FakeCluster
from tests.operators import NAMESPACE, Operator, api_key, model

FULL: dict[str, Any] = {"replicas": 2, "cache": {"size": "1Gi"}}
SCALED: dict[str, Any] = {"autoscaling": {"maxReplicas": 3}}


def final_state(cluster: FakeCluster) -> dict[str, Any]:
    """Everything but what differs between any two runs."""
    return {
        str(ref): {k: v for k, v in body.items() if k not in ("metadata", "status")}
        | {"conditions": body.get("status", {}).get("conditions")}
        for ref, body in cluster.objects.items()
    }


def journey(cluster: FakeCluster, crash_after: int | None) -> int:
    """Create, change to autoscaling, suspend; the operator is restarted after the crash. Gives the writes made."""
    operator = Operator(cluster)
    cluster.crash_after = crash_after
    for spec in (FULL, SCALED, {**SCALED, "lifecycle": {"suspend": True}}, FULL):
        cluster.put(model(**spec))
        try:
            operator.settle("m")
        except CrashError:
            cluster.crash_after = None
            operator = Operator(cluster)
            operator.settle("m")
    return len(cluster.writes)


def test_every_crash_point_of_a_model_converges() -> None:
    undisturbed = FakeCluster()
    writes = journey(undisturbed, crash_after=None)
    assert writes > 15
    for point in range(writes):
        cluster = FakeCluster()
        journey(cluster, crash_after=point)
        assert final_state(cluster) == final_state(undisturbed), f"crash before write {point}"


@pytest.mark.parametrize("point", range(3))
def test_every_crash_point_of_a_key_converges(point: int) -> None:
    cluster = FakeCluster()
    cluster.put(api_key())
    cluster.crash_after = point
    with pytest.raises(CrashError):
        Operator(cluster).pass_over_key("k")
    cluster.crash_after = None
    operator = Operator(cluster)
    operator.pass_over_key("k")
    secret = operator.world.secrets(Ref(API_KEY, NAMESPACE, "k"))[0]
    assert secret.ref == Ref(SECRET, NAMESPACE, "k-apikey")
    status = cluster.objects[Ref(API_KEY, NAMESPACE, "k")]["status"]
    assert [item["sha256"] for item in status["keyHashes"]] == [secret.key_sha256]


def test_a_deleted_model_leaves_nothing_to_write() -> None:
    cluster = FakeCluster()
    cluster.put(model(**FULL))
    operator = Operator(cluster)
    operator.settle("m")
    cluster.remove(Ref(MODEL_DEPLOYMENT, NAMESPACE, "m"))
    assert cluster.objects == {}
    operator.settle("m")
    assert cluster.objects == {}
