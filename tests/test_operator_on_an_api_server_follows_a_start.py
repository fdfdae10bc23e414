"""On a real API server: a start is followed from the pod's making to a real runtime's first answer, by phase."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway_crds.names import CONTROL_PORT, MANAGED_BY, selector_labels
from tests.cluster.apiserver import ApiServer
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.installation import model
from tests.operator_process import OperatorProcess
from tests.runtimes import runtime

pytestmark = pytest.mark.apiserver

LABELS = {**selector_labels("m"), "app.kubernetes.io/managed-by": MANAGED_BY, "slipway.dev/engine": "dummy"}
CONTAINER = {"name": "runtime", "image": "example/dummy:1"}
LOAD_SECONDS = 3


@pytest.fixture
def kubectl(operator: OperatorProcess, apiserver: ApiServer) -> Kubectl:
    return apiserver.kubectl


def address() -> str:
    """One of this machine that no other runtime listens at."""
    return f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod(kubectl: Kubectl, namespace: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    spec = {"containers": [CONTAINER], "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "m-1", "labels": LABELS}, "spec": spec}
    kubectl("create", "-n", namespace, "-f", "-", stdin=yaml.safe_dump_all([account, pod]))


def set_pod(kubectl: Kubectl, namespace: str, *conditions: str, **status: Any) -> None:
    """What scheduler and kubelet write."""
    true = [{"type": kind, "status": "True", "lastTransitionTime": now()} for kind in conditions]
    patch = json.dumps({"status": {"conditions": true, **status}})
    kubectl("patch", "pod", "m-1", "-n", namespace, "--subresource=status", "--type=strategic", "--patch", patch)


def run_pod(kubectl: Kubectl, namespace: str, address: str) -> None:
    state = {"running": {"startedAt": now()}}
    container = {**CONTAINER, "imageID": "", "ready": False, "restartCount": 0, "state": state}
    place = {"podIP": address, "podIPs": [{"ip": address}]}
    set_pod(kubectl, namespace, phase="Running", containerStatuses=[container], **place)


def record(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("mdep", "m", "-n", namespace).get("status", {}).get("coldStart", {})
    return found


def wait_for(kubectl: Kubectl, namespace: str, phase: str, within: float) -> None:
    eventually(
        f"the phase {phase}",
        lambda: record(kubectl, namespace),
        lambda seen: seen.get("phase") == phase,
        within=within,
    )


def test_every_phase_is_told_and_then_the_figures(
    kubectl: Kubectl, apiserver_namespace: str, operator: OperatorProcess, tmp_path: Path
) -> None:
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=model("m"))
    make_pod(kubectl, apiserver_namespace)
    wait_for(kubectl, apiserver_namespace, "scheduling", within=5)
    set_pod(kubectl, apiserver_namespace, "PodScheduled")
    wait_for(kubectl, apiserver_namespace, "pulling", within=5)
    place, arguments = address(), (f"--load-seconds={LOAD_SECONDS}",)
    with runtime(tmp_path, host=place, control_port=CONTROL_PORT, engine_args=arguments):
        run_pod(kubectl, apiserver_namespace, place)
        wait_for(kubectl, apiserver_namespace, "loading", within=20)
        wait_for(kubectl, apiserver_namespace, "warming", within=20)
        set_pod(kubectl, apiserver_namespace, "Ready")
        told = eventually(
            "the figures",
            lambda: record(kubectl, apiserver_namespace),
            lambda seen: "phase" not in seen and "totalSeconds" in seen,
            within=10,
        )
    assert told["totalSeconds"] >= told["loadedSeconds"] >= LOAD_SECONDS
    assert {"scheduledSeconds", "pulledSeconds", "fetchedSeconds", "warmedSeconds"} < told.keys()
    name = "slipway_cold_start_seconds_count"
    counts = {sample: count for sample, count in operator.metrics().items() if sample.startswith(name)}
    assert counts == {
        f'{name}{{phase="{phase}"}}': 1.0 for phase in ("scheduled", "pulled", "fetched", "loaded", "warmed", "total")
    }
