"""Kubernetes' own HorizontalPodAutoscaler controller scales a model by the operator's metrics API."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer
from tests.cluster.controlplane import ControlPlane
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.eventually import eventually
from tests.metrics_apis import follow, make_pod, serving
from tests.runtimes import free_port

pytestmark = pytest.mark.apiserver

IN_FLIGHT = "slipway_in_flight_requests"
TARGET = 4  # of `follow`


@contextmanager
def autoscaler(server: ApiServer, paths: Paths, folder: Path) -> Iterator[Path]:
    """The controller manager with this controller alone: nothing makes or removes pods. Gives its log."""
    built = binaries.ensure(paths, binaries.CONTROL_PLANE, Progress())
    plane = ControlPlane(built, server.certificates, folder, "127.0.0.1")
    chosen = ["--controllers=horizontal-pod-autoscaler-controller", f"--secure-port={free_port()}"]
    quick = ["--horizontal-pod-autoscaler-sync-period=1s"]
    log = folder / "kube-controller-manager.log"
    with log.open("wb") as output:
        command = [*plane.controller_manager(server.kubeconfig), *chosen, *quick]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield log
    finally:
        process.kill()
        process.wait(20)


def deployment(namespace: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "slipway-model", "slipway.dev/model": "chat"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "runtime", "image": "example/x:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def test_load_scales_up_and_its_end_scales_down(
    apiserver: ApiServer, apiserver_namespace: str, cluster_paths: Paths, tmp_path: Path
) -> None:
    namespace, kubectl = apiserver_namespace, apiserver.kubectl
    make_pod(apiserver, namespace, "chat-0", "chat", "127.0.9.1")
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(deployment(namespace)))
    follow(apiserver, namespace, "chat", [IN_FLIGHT])
    down_at_once = '{"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}'
    kubectl("patch", "hpa", "chat", "-n", namespace, "--type=merge", "-p", down_at_once)

    def replicas() -> int:
        return int(kubectl.get("deployment", "chat", "-n", namespace)["spec"]["replicas"])

    with serving(apiserver, namespace) as metrics_api, autoscaler(apiserver, cluster_paths, tmp_path) as log:
        metrics_api.pods.texts["127.0.9.1"] = f"slipway_runtime_in_flight {TARGET * 3}\n"
        eventually("three replicas", replicas, lambda seen: seen == 3, within=60)
        current = kubectl.get("hpa", "chat", "-n", namespace)["status"]["currentMetrics"][0]["pods"]
        assert current["metric"]["name"] == IN_FLIGHT
        assert current["current"]["averageValue"] == str(TARGET * 3), log.read_text()
        metrics_api.pods.texts["127.0.9.1"] = "slipway_runtime_in_flight 0\n"
        eventually("one replica", replicas, lambda seen: seen == 1, within=60)
