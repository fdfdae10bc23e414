"""Uninstalling takes the metrics API's registration along, although nobody serves that API any more."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_operator.domain.metrics_api.serving import api_service_names
from tests.chart import CHART, NAMESPACE, RELEASE, Helm
from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.controllers import controller
from tests.eventually import eventually
from tests.metrics_apis import registration

pytestmark = pytest.mark.apiserver


@pytest.fixture
def server(cluster_paths: Paths) -> Iterator[ApiServer]:
    """One of its own: the garbage collector would tidy up after other tests."""
    server = ApiServer(cluster_paths, "gone", Progress())
    server.down()
    server.up()
    yield server
    server.down()


def registered(server: ApiServer) -> list[str]:
    names = [item["metadata"]["name"] for item in server.kubectl.get("apiservices")["items"]]
    return sorted(set(names) & set(api_service_names()))


async def register(server: ApiServer) -> None:
    """What an operator does that serves."""
    async with registration(server, NAMESPACE, owner=f"{RELEASE}-metrics-api") as (_, ours):
        assert await ours.register(await ours.identity()) == ()


def test_it_goes_with_the_release(server: ApiServer, helm: Helm, cluster_paths: Paths, tmp_path: Path) -> None:
    place = (f"--namespace={NAMESPACE}", f"--kubeconfig={server.kubeconfig}")
    helm("install", RELEASE, CHART, "--create-namespace", *place)
    asyncio.run(register(server))
    assert registered(server) == sorted(api_service_names())
    with controller(server, cluster_paths, tmp_path, "garbage-collector-controller"):
        helm("uninstall", RELEASE, *place)
        eventually("no APIService is left", lambda: registered(server), lambda seen: not seen, within=90)
