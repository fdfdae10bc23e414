"""What every test cluster has besides the components: DNS and GPUs that only exist on paper."""

import json
from pathlib import Path
from string import Template

from tests.cluster.errors import CommandError
from tests.cluster.kubectl import Kubectl
from tests.cluster.shell import run
from tests.cluster.waiting import wait_for

GPU_RESOURCE = "nvidia.com/gpu"
GPUS_PER_NODE = "4"

DNS_QUERY = str(Path(__file__).parent / "dns_query.py")
"""A program of its own, because it runs inside a node's network namespace."""

_COREDNS = Path(__file__).parent / "manifests" / "coredns.yaml"


def coredns_ready(kubectl: Kubectl) -> str | None:
    """Probe of the cluster's DNS: ``None`` when it serves."""
    try:
        status = kubectl.get("deployment/coredns", "--namespace=kube-system").get("status", {})
    except CommandError as error:
        return str(error).splitlines()[-1]
    return None if status.get("availableReplicas") else f"status of deployment coredns: {json.dumps(status)}"


def apply_coredns(kubectl: Kubectl, image: str) -> None:
    """Create or update the cluster's DNS; wait for :func:`coredns_ready` afterwards."""
    kubectl.apply(Template(_COREDNS.read_text()).substitute(IMAGE=image))


def answers(command: list[str]) -> str | None:
    """Probe of a command: ``None`` when it exits with 0, else the last line it wrote."""
    try:
        run(command)
    except CommandError as error:
        return str(error).splitlines()[-1]
    return None


def advertise_gpus(kubectl: Kubectl) -> None:
    """Make every node offer GPUs that are not there, so that pods which ask for one are scheduled and run.

    The numbers survive the kubelet's status updates and restarts, not the deletion of the Node object.
    """
    missing = [node for node, capacity in _gpus(kubectl, "capacity").items() if capacity != GPUS_PER_NODE]
    resource = GPU_RESOURCE.replace("/", "~1")
    patch = json.dumps([{"op": "add", "path": f"/status/capacity/{resource}", "value": GPUS_PER_NODE}])
    for node in missing:
        kubectl("patch", "node", node, "--subresource=status", "--type=json", "--patch", patch)

    def allocatable() -> str | None:
        found = _gpus(kubectl, "allocatable")
        return None if set(found.values()) == {GPUS_PER_NODE} else f"allocatable by node: {found}"

    wait_for(f"{GPU_RESOURCE} on every node", allocatable, seconds=60)


def nodes_ready(kubectl: Kubectl, names: list[str]) -> str | None:
    """Probe of the nodes: ``None`` when all of ``names`` are Ready."""
    try:
        items = kubectl.get("nodes")["items"]
    except CommandError as error:
        return str(error).splitlines()[-1]
    waiting = dict.fromkeys(names, "no such node")
    for node in items:
        for condition in node.get("status", {}).get("conditions", []):
            if condition["type"] == "Ready":
                waiting[node["metadata"]["name"]] = condition["message"]
                if condition["status"] == "True":
                    del waiting[node["metadata"]["name"]]
    return "; ".join(f"{name}: {message}" for name, message in waiting.items()) or None


def _gpus(kubectl: Kubectl, field: str) -> dict[str, str | None]:
    nodes = kubectl.get("nodes")["items"]
    return {node["metadata"]["name"]: node.get("status", {}).get(field, {}).get(GPU_RESOURCE) for node in nodes}
