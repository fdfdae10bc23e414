"""Pytest fixtures: a cluster and an API server for the session, a namespace in either for a test."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import binaries, release
from tests.cluster.apiserver import ApiServer
from tests.cluster.cli import DEFAULT_NAME
from tests.cluster.kubectl import Kubectl
from tests.cluster.namespaces import emptied_namespace, temporary_namespace
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.provider import Choice, Provider
from tests.cluster.shell import run


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    provider: Provider
    kubectl: Kubectl

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.provider.kubeconfig()

    def run(self, *command: str, timeout: float = 120) -> str:
        """Run a command where pods and Services can be reached and return its output; raise when it fails."""
        invocation = self.provider.inside(command)
        return run(invocation.argv, env=invocation.env, timeout=timeout)

    def popen(self, *command: str) -> subprocess.Popen[str]:
        """Start a command where pods and Services can be reached; its output can be read while it runs."""
        invocation = self.provider.inside(command)
        environment = {**os.environ, **invocation.env}
        return subprocess.Popen(
            invocation.argv, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


@pytest.fixture(scope="session")
def cluster_paths() -> Paths:
    """Where clusters keep their files."""
    return Paths.from_environment(os.environ)


@pytest.fixture(scope="session")
def cluster(cluster_paths: Paths) -> Iterator[Cluster]:
    """A cluster for the session: taken down at its end only if it was not there before.

    ``SLIPWAY_TEST_CLUSTER`` names another than the usual one, so that two sessions can run side by side.
    """
    progress = Progress()
    choice = Choice(cluster_paths, os.environ.get("SLIPWAY_TEST_CLUSTER", DEFAULT_NAME))
    provider = choice.provider("auto", progress)
    was_up = bool(provider.status().components)
    provider.up(None)
    choice.record(provider)
    kubectl = binaries.ensure(cluster_paths, ("kubectl",), progress)["kubectl"]
    yield Cluster(provider, Kubectl(kubectl, provider.kubeconfig()))
    if not was_up:
        provider.down()
        choice.forget()


@pytest.fixture(scope="session")
def slipway(cluster: Cluster, cluster_paths: Paths) -> Cluster:
    """The cluster with Slipway of this checkout installed by its chart, ready, in ``release.NAMESPACE``."""
    release.install(cluster.provider, cluster_paths, Progress())
    return cluster


@pytest.fixture(scope="session")
def apiserver(cluster_paths: Paths) -> Iterator[ApiServer]:
    """An API server with empty storage, without controllers and nodes, for the session."""
    with ApiServer.start(cluster_paths, Progress()) as server:
        yield server


@pytest.fixture
def cluster_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the cluster for one test."""
    with temporary_namespace(cluster.kubectl) as name:
        yield name


@pytest.fixture
def apiserver_namespace(apiserver: ApiServer) -> Iterator[str]:
    """A namespace of the API server for one test. There is no controller to remove it: only its objects go."""
    with emptied_namespace(apiserver.kubectl) as name:
        yield name
