import json

import pytest

from tests.cluster.addons import GPU_RESOURCE
from tests.cluster.fixtures import Cluster
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster


def pod(cluster: Cluster, namespace: str, name: str, gpus: int) -> None:
    """Create a pod that prints something and ends, from an image which every cluster has."""
    coredns = cluster.kubectl.get("deployment/coredns", "--namespace=kube-system")["spec"]["template"]["spec"]
    container = {
        "name": "main",
        "image": coredns["containers"][0]["image"],
        "args": ["-plugins"],
        "resources": {"limits": {GPU_RESOURCE: str(gpus)}},
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    cluster.kubectl.apply(json.dumps(manifest))


def status(cluster: Cluster, namespace: str, name: str) -> dict[str, object]:
    found: dict[str, object] = cluster.kubectl.get(f"pod/{name}", f"--namespace={namespace}")["status"]
    return found


def test_a_pod_that_asks_for_gpus_runs(cluster: Cluster, cluster_namespace: str) -> None:
    pod(cluster, cluster_namespace, "fits", gpus=4)

    def ended() -> str | None:
        seen = status(cluster, cluster_namespace, "fits")
        return None if seen["phase"] == "Succeeded" else str(seen)

    wait_for("pod ended well", ended, seconds=60)


def test_a_pod_that_asks_for_too_many_gpus_is_told_so(cluster: Cluster, cluster_namespace: str) -> None:
    pod(cluster, cluster_namespace, "large", gpus=5)

    def refused() -> str | None:
        seen = str(status(cluster, cluster_namespace, "large"))
        return None if f"Insufficient {GPU_RESOURCE}" in seen else seen

    wait_for("scheduler refused the pod", refused, seconds=60)
