"""Kubernetes' own HorizontalPodAutoscaler controller scales a model by the operator's metrics API."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import Paths
from tests.controllers import controller
from tests.eventually import eventually
from tests.metrics_apis import follow, make_pod, serving

pytestmark = pytest.mark.apiserver

IN_FLIGHT = "slipway_in_flight_requests"
TARGET = 4  # of `follow`
CONTROLLER = ("horizontal-pod-autoscaler-controller", "--horizontal-pod-autoscaler-sync-period=1s")


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

    with (
        serving(apiserver, namespace) as metrics_api,
        controller(apiserver, cluster_paths, tmp_path, *CONTROLLER) as log,
    ):
        metrics_api.pods.texts["127.0.9.1"] = f"slipway_runtime_in_flight {TARGET * 3}\n"
        eventually("three replicas", replicas, lambda seen: seen == 3, within=60)
        current = kubectl.get("hpa", "chat", "-n", namespace)["status"]["currentMetrics"][0]["pods"]
        assert current["metric"]["name"] == IN_FLIGHT
        assert current["current"]["averageValue"] == str(TARGET * 3), log.read_text()
        metrics_api.pods.texts["127.0.9.1"] = "slipway_runtime_in_flight 0\n"
        eventually("one replica", replicas, lambda seen: seen == 1, within=60)
