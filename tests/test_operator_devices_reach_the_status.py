"""What ready pods compute on is in the status; the CPU in place of GPUs is a reason of its own."""

import asyncio
from typing import Any

import pytest

from slipway_operator.domain.devices import DeviceReport
from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from slipway_operator.domain.runtime_state import RuntimeState
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, model

MODEL = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")


def computing(device: str | None = None, fallback: str | None = None) -> RuntimeState:
    return RuntimeState(DeviceReport(device, fallback), "ready")


CUDA, CPU = computing("cuda"), computing("cpu")
NO_DRIVER = computing("cpu", "no NVIDIA driver was found")


def pod(number: int, *, ready: bool = True, restarts: int = 0, engine: str = "dummy") -> dict[str, Any]:
    labels = {"slipway.dev/model": "m", "slipway.dev/engine": engine, "pod-template-hash": "r1"}
    container = {"name": "runtime", "image": "x", "restartCount": restarts, "state": {"running": {}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"m-{number}", "namespace": NAMESPACE, "labels": labels},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.0.{number}",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [container],
        },
    }


def running(replicas: int = 1, engine: str = "dummy", **spec: Any) -> tuple[FakeCluster, Operator]:
    """A cluster with a model whose pods are all ready, and an operator that has not seen them yet."""
    cluster = FakeCluster()
    cluster.put(model(engine={"type": engine}, replicas=replicas, model={"source": "hf://org/repo"}, **spec))
    operator = Operator(cluster)
    operator.settle("m")
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), replicas)
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"observedGeneration": 1, **counts})
    for number in range(1, replicas + 1):
        cluster.put(pod(number, engine=engine))
    return cluster, operator


def answered(operator: Operator) -> None:
    """Every question that was asked has its answer, and the model had its passes."""

    async def ask() -> None:
        asking = asyncio.create_task(operator.asked.run())
        for _ in range(50):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})

    operator.settle("m")
    asyncio.run(ask())
    operator.settle("m")


def seen(cluster: FakeCluster) -> tuple[str | None, str, str]:
    """Device, reason and message."""
    status = cluster.objects[MODEL]["status"]
    ready = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert ready["status"] == "True"
    return status.get("device"), ready["reason"], ready["message"]


@pytest.mark.parametrize(
    ("gpus", "reports", "expected"),
    [
        (0, [CPU], ("cpu", "Ready", "1 of 1 replicas ready")),
        (1, [CUDA], ("cuda", "Ready", "1 of 1 replicas ready")),
        (
            1,
            [NO_DRIVER],
            (
                "cpu",
                "CpuFallback",
                "1 of 1 replicas ready; 1 on the CPU instead of the GPU: no NVIDIA driver was found",
            ),
        ),
        (
            2,
            [CUDA, NO_DRIVER],
            (
                "cpu",
                "CpuFallback",
                "2 of 2 replicas ready; 1 on the CPU instead of the GPU: no NVIDIA driver was found",
            ),
        ),
        (0, [NO_DRIVER], ("cpu", "Ready", "1 of 1 replicas ready")),
        (1, [RuntimeState()], (None, "Ready", "1 of 1 replicas ready")),
    ],
)
def test_the_device_of_ready_pods(
    gpus: int, reports: list[RuntimeState], expected: tuple[str | None, str, str]
) -> None:
    cluster, operator = running(len(reports), resources={"gpu": {"count": gpus}})
    operator.runtimes.answers = {f"10.0.0.{number}": report for number, report in enumerate(reports, 1)}
    answered(operator)
    assert seen(cluster) == expected


def test_a_pod_is_asked_once_for_each_start() -> None:
    cluster, operator = running()
    operator.runtimes.answers = {"10.0.0.1": CPU}
    answered(operator)
    answered(operator)
    assert operator.runtimes.asked == ["10.0.0.1"]
    cluster.put(pod(1, restarts=1))
    answered(operator)
    assert operator.runtimes.asked == ["10.0.0.1"] * 2


def test_pods_that_do_not_run_and_servers_of_others_are_not_asked() -> None:
    cluster, operator = running()
    waiting = pod(1, ready=False)
    waiting["status"]["containerStatuses"][0]["state"] = {"waiting": {}}
    cluster.put(waiting)
    answered(operator)
    assert operator.runtimes.asked == []
    cluster, operator = running(engine="tei")
    answered(operator)
    assert operator.runtimes.asked == []


def test_a_new_operator_changes_nothing_before_it_has_asked() -> None:
    cluster, operator = running(resources={"gpu": {"count": 1}})
    operator.runtimes.answers = {"10.0.0.1": NO_DRIVER}
    answered(operator)
    settled = len(cluster.writes)
    restarted = Operator(cluster)
    restarted.runtimes.answers = {"10.0.0.1": NO_DRIVER}
    restarted.settle("m")
    assert cluster.writes[settled:] == []
    answered(restarted)
    assert cluster.writes[settled:] == []


def test_a_gpu_that_is_back_ends_the_fallback() -> None:
    cluster, operator = running(resources={"gpu": {"count": 1}})
    operator.runtimes.answers = {"10.0.0.1": NO_DRIVER}
    answered(operator)
    operator.runtimes.answers = {"10.0.0.1": CUDA}
    cluster.put(pod(1, restarts=1))
    answered(operator)
    assert seen(cluster) == ("cuda", "Ready", "1 of 1 replicas ready")


def test_without_ready_pods_there_is_no_device() -> None:
    cluster, operator = running()
    operator.runtimes.answers = {"10.0.0.1": CPU}
    answered(operator)
    cluster.put(pod(1, ready=False))
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"observedGeneration": 1, "replicas": 1})
    operator.settle("m")
    assert "device" not in cluster.objects[MODEL]["status"]
