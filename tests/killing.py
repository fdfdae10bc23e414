"""``kill -9`` for programs of Slipway that run in a cluster."""

from typing import Any, Final

import pytest

from tests.cluster.fixtures import Cluster
from tests.installation import SYSTEM_NAMESPACE, wait_rolled_out

_COMPONENTS: Final = ("operator", "router")


@pytest.fixture(scope="module")
def killable(slipway: Cluster) -> Cluster:
    """The cluster, with an operator and routers that nobody has killed yet.

    The kubelet has a container wait ten seconds before its second restart, and each time twice as long, until it has
    run for ten minutes: what the tests of earlier files have killed would not be back in time.
    """
    for component in _COMPONENTS:
        killed = [pod["metadata"]["name"] for pod in _pods(slipway, component) if _restarts(pod)]
        if killed:
            slipway.kubectl("delete", "pod", *killed, "-n", SYSTEM_NAMESPACE, "--timeout=90s", timeout=100)
            wait_rolled_out(slipway.kubectl, component)
    return slipway


def kill_pods(cluster: Cluster, component: str) -> None:
    """SIGKILL to the process in every pod of ``operator`` or ``router``; the kubelet starts it again in its place."""
    pods = _pods(cluster, component)
    running = [
        status["containerID"].partition("://")[2]
        for pod in pods
        for status in pod["status"].get("containerStatuses", ())
        if "running" in status["state"]
    ]
    if not running:
        raise AssertionError(f"no {component} runs that could be killed: {[pod['status'] for pod in pods]}")
    for container in running:
        cluster.provider.kill_container(container)


def _pods(cluster: Cluster, component: str) -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/component={component}"
    found: list[dict[str, Any]] = cluster.kubectl.get("pods", "-l", selector, "-n", SYSTEM_NAMESPACE)["items"]
    return found


def _restarts(pod: dict[str, Any]) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", ()))
