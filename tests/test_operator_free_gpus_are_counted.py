"""Free GPUs are what ready nodes that a pod may go to can give, less what the pods on them hold."""

import asyncio
from typing import Any

import pytest

from slipway_operator.adapters.gpus import KubernetesGpus
from slipway_operator.domain.errors import RefusedError
from slipway_operator.domain.free_gpus import GpuRequest, fits, used_gpus

GPU = "nvidia.com/gpu"
TWO = GpuRequest(GPU, 2, {}, ())


def node(gpus: int = 4, name: str = "n", ready: str = "True", **spec: Any) -> dict[str, Any]:
    status = {"allocatable": {GPU: str(gpus)}, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": name, "labels": {"zone": "a"}}, "spec": spec, "status": status}


def container(gpus: int) -> dict[str, Any]:
    return {"resources": {"limits": {GPU: str(gpus)}, "requests": {GPU: str(gpus)}}}


def pod(*gpus: int, name: str = "n", phase: str = "Running", before: int = 0, **metadata: Any) -> dict[str, Any]:
    spec = {"nodeName": name, "containers": [container(n) for n in gpus], "initContainers": [container(before)]}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def taint(key: str = "team", effect: str = "NoSchedule") -> dict[str, Any]:
    return {"taints": [{"key": key, "value": "a", "effect": effect}]}


@pytest.mark.parametrize(
    ("held", "free"),
    [
        ([], True),
        ([pod(2)], True),
        ([pod(1, 1), pod(1)], False),
        ([pod(1, before=3)], False),
        ([pod(3, phase="Succeeded")], True),
        ([pod(3, deletionTimestamp="2026-01-01T00:00:00Z")], False),
        ([pod(4, name="other")], True),
        ([pod(3, name="")], True),
        ([{"metadata": {}, "spec": {"nodeName": "n", "containers": [{}]}}], True),
    ],
)
def test_pods_hold_what_they_ask_for_until_they_end(held: list[dict[str, Any]], free: bool) -> None:
    assert fits(TWO, [node(4)], used_gpus(held, GPU)) is free


@pytest.mark.parametrize(
    ("place", "free"),
    [
        (node(), True),
        (node(1), False),
        (node(ready="Unknown"), False),
        (node(unschedulable=True), False),
        (node(**taint()), False),
        (node(**taint(effect="PreferNoSchedule")), True),
        (node(**taint(key=GPU)), True),
    ],
)
def test_nodes_count_that_would_take_the_pod(place: dict[str, Any], free: bool) -> None:
    assert fits(TWO, [place], {}) is free


def test_all_gpus_of_a_replica_are_on_one_node() -> None:
    assert not fits(TWO, [node(1, "a"), node(1, "b")], {})
    assert fits(TWO, [node(1, "a"), node(2, "b")], {})


@pytest.mark.parametrize(
    ("toleration", "free"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "value": "a"}, True),
        ({"key": "team", "value": "a", "effect": "NoSchedule"}, True),
        ({"key": "team", "value": "b"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_tolerations_open_tainted_nodes(toleration: dict[str, Any], free: bool) -> None:
    assert fits(GpuRequest(GPU, 1, {}, (toleration,)), [node(**taint())], {}) is free


def test_a_node_selector_chooses_nodes() -> None:
    assert fits(GpuRequest(GPU, 1, {"zone": "a"}, ()), [node()], {})
    assert not fits(GpuRequest(GPU, 1, {"zone": "b"}, ()), [node()], {})


class Api:
    """An API server that gives one object a page, and refuses whom it is told to."""

    def __init__(self, nodes: list[dict[str, Any]], pods: list[dict[str, Any]], *, refuses: str = "") -> None:
        self._items = {"/api/v1/nodes": nodes, "/api/v1/pods": pods}
        self._refuses = refuses
        self.selectors: list[str] = []

    async def request(self, method: str, path: str, **query: str) -> dict[str, Any]:
        if path == self._refuses:
            raise RefusedError(403, f"{path} is forbidden")
        assert method == "GET"
        self.selectors.append(query.get("labelSelector", ""))
        start, items = int(query.get("continue") or 0), self._items[path]
        more = {"continue": str(start + 1)} if start + 1 < len(items) else {}
        return {"metadata": more, "items": items[start : start + 1]}


def test_the_api_server_is_asked_page_by_page() -> None:
    nodes = [node(1, "a"), node(4, "b")]
    for pods, free in (([pod(1, name="b"), pod(1, name="b")], True), ([pod(1, name="b")] * 3, False)):
        assert asyncio.run(KubernetesGpus(Api(nodes, pods)).suffice(TWO)) is free


def test_the_api_server_chooses_nodes_by_label() -> None:
    api = Api([node()], [])
    asyncio.run(KubernetesGpus(api).suffice(GpuRequest(GPU, 1, {"zone": "a", "arch": "x"}, ())))
    assert api.selectors[0] == "arch=x,zone=a"


@pytest.mark.parametrize("refused", ["/api/v1/nodes", "/api/v1/pods"])
def test_without_the_right_nobody_knows(refused: str) -> None:
    assert asyncio.run(KubernetesGpus(Api([node()], [], refuses=refused)).suffice(TWO)) is None
