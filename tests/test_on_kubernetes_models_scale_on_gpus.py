"""Kubernetes' autoscaler follows the utilisation of GPUs up and down again. The node has none, so NVML is fed."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.eventually import eventually
from tests.installation import Installation, api_key, model

pytestmark = pytest.mark.cluster

METRIC = "slipway_gpu_utilization_percent"
TARGET = 50
MOST = 3
FOLDER = "/driver"
DRIVER = Path(__file__).parent / "fakes" / "fed_pynvml.py"
BY_GPU: dict[str, Any] = {
    "engine": {"type": "dummy", "env": [{"name": "PYTHONPATH", "value": FOLDER}]},
    "resources": {"gpu": {"count": 1}},
    "template": {
        "volumes": [{"name": "driver", "configMap": {"name": "driver"}}],
        "volumeMounts": [{"name": "driver", "mountPath": FOLDER}],
    },
    "autoscaling": {
        "minReplicas": 1,
        "maxReplicas": MOST,
        "metrics": [{"type": "gpuUtilization", "target": TARGET}],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {"stabilizationWindowSeconds": 0},
        },
    },
}


def feed(installation: Installation, percent: int) -> None:
    """What NVML tells from now on."""
    data = {"pynvml.py": DRIVER.read_text(), "utilization": str(percent)}
    driver = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "driver"}, "data": data}
    installation.apply(yaml.safe_dump(driver))


@pytest.fixture(scope="module")
def served(module_installation: Installation) -> Installation:
    feed(module_installation, 90)
    module_installation.apply(model("by-gpu", **BY_GPU))
    module_installation.apply(api_key())
    module_installation.wait_ready("mdep/by-gpu")
    return module_installation


def replicas(installation: Installation) -> tuple[int, int]:
    """Of the Deployment: wanted by its autoscaler, and ready."""
    deployment = installation.get("deployment", "by-gpu")
    return deployment["spec"]["replicas"], deployment["status"].get("readyReplicas", 0)


def test_replicas_follow_the_utilisation(served: Installation) -> None:
    eventually("three replicas serve", lambda: replicas(served), lambda seen: seen == (MOST, MOST), within=110)
    current = served.get("hpa", "by-gpu")["status"]["currentMetrics"][0]["pods"]
    assert (current["metric"]["name"], current["current"]["averageValue"]) == (METRIC, "90")
    assert f"90/{TARGET}" in served.kubectl("get", "hpa", "by-gpu", "-n", served.namespace)
    feed(served, 5)
    looks = itertools.count()

    def one_is_left() -> tuple[int, int]:
        # A kubelet looks at the volumes of a pod whenever the pod changes, else once a minute.
        label = f"looked-at={next(looks)}"
        served.kubectl(
            "annotate", "pods", "-l", "slipway.dev/model=by-gpu", "-n", served.namespace, label, "--overwrite"
        )
        return replicas(served)

    eventually("one replica serves", one_is_left, lambda seen: seen == (1, 1), within=110, every=2)
