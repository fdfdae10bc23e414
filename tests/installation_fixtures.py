"""Pytest fixtures: the release on the cluster for the session, a namespace of its own for a module or a test."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.cluster.namespaces import temporary_namespace
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.release import install
from tests.installation import Installation


@pytest.fixture(scope="session")
def release(cluster: Cluster, cluster_paths: Paths) -> Cluster:
    """The cluster with Slipway installed from this checkout; the router's Service can be reached from outside."""
    install(cluster.provider, cluster_paths, Progress(), extra=("--set=router.service.type=NodePort",))
    return cluster


@pytest.fixture(scope="module")
def module_installation(release: Cluster) -> Iterator[Installation]:
    """The release, with a namespace for a test file."""
    with temporary_namespace(release.kubectl) as namespace:
        yield _installation(release, namespace)


@pytest.fixture
def installation(release: Cluster) -> Iterator[Installation]:
    """The release, with a namespace for one test."""
    with temporary_namespace(release.kubectl) as namespace:
        yield _installation(release, namespace)


def _installation(release: Cluster, namespace: str) -> Installation:
    invocation = release.provider.inside(["true"])
    return Installation(release.kubectl, namespace, {**os.environ, **invocation.env})
