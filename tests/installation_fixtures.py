"""Pytest fixtures: the installed chart with a namespace of its own for a module or a test."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.cluster.namespaces import temporary_namespace
from tests.installation import Installation


@pytest.fixture(scope="module")
def module_installation(slipway: Cluster) -> Iterator[Installation]:
    """Slipway on the cluster, with a namespace for a test file."""
    with temporary_namespace(slipway.kubectl) as namespace:
        yield _installation(slipway, namespace)


@pytest.fixture
def installation(slipway: Cluster) -> Iterator[Installation]:
    """Slipway on the cluster, with a namespace for one test."""
    with temporary_namespace(slipway.kubectl) as namespace:
        yield _installation(slipway, namespace)


def _installation(slipway: Cluster, namespace: str) -> Installation:
    invocation = slipway.provider.inside(["true"])
    return Installation(slipway.kubectl, namespace, {**os.environ, **invocation.env})
