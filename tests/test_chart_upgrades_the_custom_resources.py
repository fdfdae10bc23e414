"""Installing, upgrading and uninstalling with Helm, against an API server of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart import CHART, NAMESPACE, RELEASE, Helm
from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress

pytestmark = pytest.mark.apiserver

CRD = "modeldeployments.slipway.dev"


@pytest.fixture(scope="module")
def empty_server(cluster_paths: Paths) -> Iterator[ApiServer]:
    server = ApiServer(cluster_paths, "helm", Progress())
    server.down()
    server.up()
    yield server
    server.down()


def _short_names(server: ApiServer) -> Any:
    return server.kubectl.get("crd", CRD)["spec"]["names"].get("shortNames")


def _helm(helm: Helm, server: ApiServer, *arguments: str | Path) -> str:
    return helm(*arguments, f"--namespace={NAMESPACE}", f"--kubeconfig={server.kubeconfig}")


def test_an_upgrade_brings_new_definitions_and_uninstalling_keeps_them(
    empty_server: ApiServer, helm: Helm, tmp_path: Path
) -> None:
    older = tmp_path / "slipway"
    shutil.copytree(CHART, older)
    crd = older / "files" / "crds" / "modeldeployments.yaml"
    crd.write_text(crd.read_text().replace("    shortNames:\n    - mdep\n", ""))

    _helm(helm, empty_server, "install", RELEASE, older, "--create-namespace")
    assert _short_names(empty_server) is None

    notes = _helm(helm, empty_server, "upgrade", RELEASE, CHART)
    assert _short_names(empty_server) == ["mdep"]
    assert f"kubectl port-forward -n {NAMESPACE} service/slipway-router 8080:80" in notes

    _helm(helm, empty_server, "uninstall", RELEASE)
    assert _short_names(empty_server) == ["mdep"]
    assert not empty_server.kubectl.get("deployments", f"--namespace={NAMESPACE}")["items"]
