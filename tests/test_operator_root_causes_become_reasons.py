"""What keeps a model from serving becomes the reason and message of its Ready condition."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from slipway_operator.domain.resources import DEPLOYMENT, MODEL_DEPLOYMENT, Ref
from tests.fakes.cluster import FakeCluster
from tests.operators import NAMESPACE, Operator, conditions, model

QUOTA = 'pods "m-1" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, limited: 0'
REFUSED = 'pods "m-1" is forbidden: violates PodSecurity "restricted:latest"'
NO_NODE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def pod(
    name: str = "m-1", revision: str = "r1", created: str = "2026-01-01T00:00:00Z", **status: Any
) -> dict[str, Any]:
    labels = {"slipway.dev/model": "m", "pod-template-hash": revision}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels, "creationTimestamp": created},
        "spec": {"containers": [{"name": "runtime", "resources": {"limits": {"memory": "24Mi"}}}]},
        "status": {"phase": "Pending", **status},
    }


def container(state: Mapping[str, Any], last: Mapping[str, Any] | None = None, restarts: int = 0) -> dict[str, Any]:
    entry = {"name": "runtime", "image": "example/m:1", "restartCount": restarts, "state": state}
    sidecar = {"name": "sidecar", "state": {"running": {}}, "restartCount": 9}
    return {"phase": "Running", "containerStatuses": [sidecar, {**entry, "lastState": last or {}}]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(reason: str = "Error", code: int = 1, message: str = "") -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code, "message": message}}


def told(reason: str, message: str) -> str:
    return json.dumps({"reason": reason, "message": message})


BACK_OFF = 'Back-off pulling image "example/m:1": ErrImagePull: not found'
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}
MISSING_SECRET = waiting("CreateContainerConfigError", 'secret "hf" not found')
NO_WEIGHTS = ended(message=told("WeightsNotFound", "http://w/x.gguf: 404"))
UNKNOWN_TOLD = ended(message=told("NoSuchReason", "x"))

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    # case: (status of the only pod, reason, words of the message)
    "no node": ({"conditions": [UNSCHEDULABLE]}, "Unschedulable", NO_NODE),
    "image, at once": (container(waiting("ErrImagePull", "not found")), "ImagePullBackOff", "example/m:1: not found"),
    "image, later": (container(waiting("ImagePullBackOff", BACK_OFF)), "ImagePullBackOff", "example/m:1: not found"),
    "image name": (container(waiting("InvalidImageName", "bad")), "ImageInvalid", "bad"),
    "missing secret": (container(MISSING_SECRET), "ContainerConfigError", 'secret "hf" not found'),
    "out of memory": (container(ended("OOMKilled", 137)), "OOMKilled", "memory limit of 24Mi"),
    "out of memory, back-off": (
        container(waiting("CrashLoopBackOff"), ended("OOMKilled", 137), 3),
        "OOMKilled",
        "memory limit of 24Mi (restarted 3x)",
    ),
    "no weights": (container(NO_WEIGHTS), "WeightsNotFound", "http://w/x.gguf: 404"),
    "no weights, started again": (
        container({"running": {}}, NO_WEIGHTS, 1),
        "WeightsNotFound",
        "http://w/x.gguf: 404 (restarted 1x)",
    ),
    "timeout": (container(ended(message=told("StartupTimeout", "30m"))), "StartupTimeout", "30m"),
    "crash": (
        container(waiting("CrashLoopBackOff"), ended(code=3, message="Segmentation fault"), 2),
        "CrashLoopBackOff",
        "exit code 3 (restarted 2x): Segmentation fault",
    ),
    "crash without a word": (container(ended(code=1)), "CrashLoopBackOff", "the container ended with exit code 1"),
    "a reason nobody knows": (container(UNKNOWN_TOLD), "CrashLoopBackOff", "exit code 1"),
    "a message that is a number": (container(ended(message="7")), "CrashLoopBackOff", "exit code 1: 7"),
    "evicted": (
        {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no GPU left"},
        "PodRefused",
        "UnexpectedAdmissionError: no GPU left",
    ),
    "loading": (container({"running": {}}), "Starting", "fetching the weights"),
    "being made": (container(waiting("ContainerCreating")), "Pending", "the container is being made"),
    "not seen by the scheduler": ({}, "Pending", "waiting for a node"),
}


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.put(model())
    Operator(cluster).settle("m")
    return cluster


def seen(cluster: FakeCluster) -> tuple[str, str, str]:
    """Status, reason and message of Ready after the operator has looked."""
    Operator(cluster).settle("m")
    found = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]["status"]["conditions"]
    ready = next(item for item in found if item["type"] == "Ready")
    return ready["status"], ready["reason"], ready["message"]


def deployment(cluster: FakeCluster, **status: Any) -> None:
    """What the Deployment controller writes."""
    cluster.set_status(Ref(DEPLOYMENT, NAMESPACE, "m"), {"observedGeneration": 1, **status})


@pytest.mark.parametrize(("status", "reason", "words"), CASES.values(), ids=CASES)
def test_the_state_of_a_pod(cluster: FakeCluster, status: dict[str, Any], reason: str, words: str) -> None:
    deployment(cluster, replicas=1, unavailableReplicas=1)
    cluster.put(pod(**status))
    assert seen(cluster)[:2] == ("False", reason)
    assert words in seen(cluster)[2]


def test_both_faces_of_a_failing_pull_read_the_same(cluster: FakeCluster) -> None:
    cluster.put(pod(**CASES["image, at once"][0]))
    first = seen(cluster)
    cluster.put(pod(**CASES["image, later"][0]))
    assert seen(cluster) == first


@pytest.mark.parametrize(("message", "reason"), [(QUOTA, "QuotaExceeded"), (REFUSED, "PodRefused")])
def test_pods_that_cannot_be_made(cluster: FakeCluster, message: str, reason: str) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    deployment(cluster, conditions=[failure])
    assert seen(cluster) == ("False", reason, message)


def test_the_newest_revision_decides(cluster: FakeCluster) -> None:
    cluster.put(pod("m-old", "r1", "2026-01-01T00:00:00Z", **CASES["out of memory"][0]))
    cluster.put(pod("m-new", "r2", "2026-01-02T00:00:00Z", **CASES["loading"][0]))
    assert seen(cluster)[:2] == ("False", "Starting")


def test_the_worst_pod_decides(cluster: FakeCluster) -> None:
    cluster.put(pod("m-1", **CASES["loading"][0]))
    cluster.put(pod("m-2", **CASES["no weights"][0]))
    cluster.put(pod("m-3", **CASES["no node"][0]))
    assert seen(cluster)[:2] == ("False", "WeightsNotFound")


def test_a_broken_rollout_shows_while_the_old_replicas_serve(cluster: FakeCluster) -> None:
    deployment(cluster, replicas=2, readyReplicas=1, updatedReplicas=1)
    cluster.put(pod("m-new", "r2", "2026-01-02T00:00:00Z", **CASES["image, later"][0]))
    status, reason, message = seen(cluster)
    assert (status, reason) == ("True", "PartiallyReady")
    assert "1 of 1 replicas ready; ImagePullBackOff: example/m:1: not found" in message
    model_body = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]
    assert conditions(model_body)["Progressing"] == ("True", "RollingOut")


def test_all_replicas_ready(cluster: FakeCluster) -> None:
    deployment(cluster, replicas=1, readyReplicas=1, updatedReplicas=1)
    assert seen(cluster) == ("True", "Ready", "1 of 1 replicas ready")
    status = cluster.objects[Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")]["status"]
    assert (status["ready"], status["readyReplicas"]) == ("1/1", 1)


def test_a_change_is_on_its_way_until_the_deployment_controller_has_seen_it(cluster: FakeCluster) -> None:
    deployment(cluster, replicas=1, readyReplicas=1, updatedReplicas=1)
    key = Ref(MODEL_DEPLOYMENT, NAMESPACE, "m")
    assert seen(cluster)[0] == "True"
    assert conditions(cluster.objects[key])["Progressing"] == ("False", "UpToDate")
    cluster.put(model(engine={"type": "dummy", "args": ["--new"]}))
    Operator(cluster).pass_over("m")
    assert conditions(cluster.objects[key]) == {
        "Ready": ("True", "Ready"),
        "Progressing": ("True", "RollingOut"),
        "AutoscalingReady": ("False", "AutoscalingDisabled"),
    }
    cluster.objects[Ref(DEPLOYMENT, NAMESPACE, "m")]["metadata"]["generation"] = 2
    assert seen(cluster)[2] == "1 of 1 replicas ready; a new version is rolling out"
    deployment(cluster, observedGeneration=2, replicas=1, readyReplicas=1, updatedReplicas=1)
    assert seen(cluster)[2] == "1 of 1 replicas ready"
    assert conditions(cluster.objects[key])["Progressing"] == ("False", "UpToDate")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [({"lifecycle": {"suspend": True}}, "Suspended"), ({"replicas": 0}, "ScaledToZero")],
)
def test_no_replicas_on_purpose(cluster: FakeCluster, spec: dict[str, Any], reason: str) -> None:
    cluster.put(model(**spec))
    deployment(cluster)
    assert seen(cluster)[:2] == ("False", reason)
    assert cluster.of_kind(DEPLOYMENT)["m"]["spec"]["replicas"] == 0
