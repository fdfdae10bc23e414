"""``kill -9`` for programs of Slipway that run in a cluster."""

from tests.cluster.fixtures import Cluster
from tests.installation import SYSTEM_NAMESPACE


def kill_pods(cluster: Cluster, component: str) -> None:
    """SIGKILL to the process in every pod of ``operator`` or ``router``; the kubelet starts it again in its place."""
    selector = f"app.kubernetes.io/component={component}"
    pods = cluster.kubectl.get("pods", "-l", selector, "-n", SYSTEM_NAMESPACE)["items"]
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
