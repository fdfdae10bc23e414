import time

import pytest

from tests.cluster.fixtures import Cluster

pytestmark = pytest.mark.cluster

QUICK_SECONDS = 10.0


def test_second_up_is_quick_and_restarts_no_process(cluster: Cluster) -> None:
    before = {part.name: part.pid for part in cluster.provider.status().components}
    begun = time.monotonic()
    cluster.provider.up(None)
    seconds = time.monotonic() - begun
    assert {part.name: part.pid for part in cluster.provider.status().components} == before
    assert seconds < QUICK_SECONDS


def test_every_node_offers_gpus(cluster: Cluster) -> None:
    nodes = cluster.kubectl.get("nodes")["items"]
    assert {node["metadata"]["name"]: node["status"]["allocatable"].get("nvidia.com/gpu") for node in nodes} == {
        node["metadata"]["name"]: "4" for node in nodes
    }
