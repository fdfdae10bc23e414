"""Whether a node has GPUs to spare for one more replica of a model."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.drift import parse_quantity


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """What one replica needs of a node."""

    resource: str
    """Of the device plugin, such as ``nvidia.com/gpu``."""
    count: int
    node_selector: Mapping[str, str]
    tolerations: Sequence[Mapping[str, Any]]


def gpu_request(model: ModelDeployment) -> GpuRequest | None:
    """What a replica of ``model`` needs; None if it needs no GPU."""
    gpu = model.spec.resources.gpu if model.spec.resources else None
    if gpu is None or not gpu.count:
        return None
    overlay = model.spec.template
    return GpuRequest(
        gpu.resource,
        gpu.count,
        node_selector=(overlay and overlay.node_selector) or {},
        tolerations=(overlay and overlay.tolerations) or (),
    )


def fits(request: GpuRequest, nodes: Iterable[Mapping[str, Any]], used: Mapping[str, int]) -> bool:
    """Whether some node (``v1``) can take such a replica now; ``used`` are the GPUs taken on each, by its name.

    Affinities are left to the scheduler, as are memory and processors.
    """
    return any(
        _takes(node, request)
        and _amount(node["status"].get("allocatable") or {}, request.resource) - used.get(node["metadata"]["name"], 0)
        >= request.count
        for node in nodes
    )


def used_gpus(pods: Iterable[Mapping[str, Any]], resource: str) -> Counter[str]:
    """GPUs that pods (``v1``) hold, by the name of their node. One that is on its way out holds them to its end."""
    used = Counter[str]()
    for pod in pods:
        spec = pod["spec"]
        if spec.get("nodeName") and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            used[spec["nodeName"]] += _requested(spec, resource)
    return used


def _takes(node: Mapping[str, Any], request: GpuRequest) -> bool:
    spec, labels = node.get("spec") or {}, node["metadata"].get("labels") or {}
    conditions = node["status"].get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    chosen = all(labels.get(name) == value for name, value in request.node_selector.items())
    kept_out = any(_repels(taint, request) for taint in spec.get("taints") or ())
    return ready and chosen and not kept_out and not spec.get("unschedulable")


def _repels(taint: Mapping[str, Any], request: GpuRequest) -> bool:
    """A taint by the name of the resource does not: Kubernetes' ExtendedResourceToleration tolerates it for the pod."""
    if taint["effect"] == "PreferNoSchedule" or taint["key"] == request.resource:
        return False
    return not any(_tolerates(toleration, taint) for toleration in request.tolerations)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _requested(spec: Mapping[str, Any], resource: str) -> int:
    """Containers run together; those of the start run before them, one after the other."""
    together = sum(_of_container(container, resource) for container in spec.get("containers") or ())
    before = (_of_container(container, resource) for container in spec.get("initContainers") or ())
    return max([together, *before])


def _of_container(container: Mapping[str, Any], resource: str) -> int:
    resources = container.get("resources") or {}
    return _amount({**(resources.get("limits") or {}), **(resources.get("requests") or {})}, resource)


def _amount(amounts: Mapping[str, Any], resource: str) -> int:
    return int(parse_quantity(amounts.get(resource, 0)) or 0)
