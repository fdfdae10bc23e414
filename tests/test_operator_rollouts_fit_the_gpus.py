"""A new version starts beside the old one, unless no GPUs are free for both: then it takes the old one's place."""

from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, conditions, model

CHILD = Ref(DEPLOYMENT, NAMESPACE, "m")
MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
GPU: dict[str, Any] = {"resources": {"gpu": {"count": 1}}}
BESIDE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
IN_PLACE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
AT_ONCE = {"type": "Recreate"}


def served(**spec: Any) -> Operator:
    """A model that runs, and its operator."""
    operator = Operator(FakeCluster())
    operator.cluster.put(model(**GPU | spec))
    operator.settle("m")
    replicas = spec.get("replicas", 1)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), replicas)
    operator.cluster.set_status(CHILD, {**counts, "observedGeneration": 99})
    operator.settle("m")
    return operator


def change(operator: Operator, image: str = "new:1", **spec: Any) -> None:
    operator.cluster.put(model(engine={"type": "dummy", "image": image}, **GPU | spec))
    operator.settle("m")


def strategy(operator: Operator) -> Any:
    return operator.cluster.objects[CHILD]["spec"]["strategy"]


@pytest.mark.parametrize(
    ("free", "spec", "expected"),
    [
        (True, {}, BESIDE),
        (False, {}, AT_ONCE),
        (False, {"replicas": 3}, IN_PLACE),
        (False, {"autoscaling": {"maxReplicas": 2, "metrics": [{"type": "inFlight", "target": 1}]}}, IN_PLACE),
        (None, {}, BESIDE),
    ],
)
def test_gpus_decide(free: bool | None, spec: dict[str, Any], expected: dict[str, Any]) -> None:
    operator = served(**spec)
    assert strategy(operator) == BESIDE
    operator.gpus.free = free
    change(operator, **spec)
    assert strategy(operator) == expected
    assert [(request.resource, request.count) for request in operator.gpus.asked] == [("nvidia.com/gpu", 1)]


def test_models_without_gpus_ask_nobody() -> None:
    operator = served(resources={})
    operator.gpus.free = False
    change(operator, resources={})
    assert strategy(operator) == BESIDE
    assert not operator.gpus.asked


def test_nobody_is_asked_when_no_pod_is_replaced() -> None:
    operator = served()
    operator.gpus.free = False
    operator.cluster.put(model(replicas=2, **GPU))
    operator.settle("m")
    operator.cluster.set_status(CHILD, {"replicas": 0})
    change(operator)
    assert strategy(operator) == BESIDE
    assert not operator.gpus.asked


def test_the_decision_stays_while_the_rollout_runs() -> None:
    operator = served()
    operator.gpus.free = False
    change_seen_late(operator)
    operator.gpus.free = True  # The old pod is gone.
    operator.pass_over("m")
    operator.world.thaw()
    operator.settle("m")
    assert strategy(operator) == AT_ONCE
    assert len(operator.gpus.asked) == 1


def change_seen_late(operator: Operator) -> None:
    """The operator hears of the change, and not yet of its own write."""
    operator.cluster.put(model(engine={"type": "dummy", "image": "new:1"}, **GPU))
    operator.world.freeze()
    operator.pass_over("m")


def test_each_rollout_is_decided_anew() -> None:
    operator = served()
    operator.gpus.free = False
    change(operator)
    operator.gpus.free = True
    change(operator, image="new:2")
    assert strategy(operator) == BESIDE


def test_the_condition_tells_of_it() -> None:
    operator = served()
    operator.gpus.free = False
    change(operator)
    operator.cluster.set_status(CHILD, {"replicas": 1, "observedGeneration": 99})
    operator.settle("m")
    found = operator.cluster.objects[MODEL]["status"]["conditions"]
    progressing = next(item for item in found if item["type"] == "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("True", "ReplacingInPlace")
    assert "no node has GPUs" in progressing["message"]
    status = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "observedGeneration": 99}
    operator.cluster.set_status(CHILD, status)
    operator.settle("m")
    assert conditions(operator.cluster.objects[MODEL])["Progressing"] == ("False", "UpToDate")
