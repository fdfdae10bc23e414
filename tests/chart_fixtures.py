"""Fixture: Helm."""

import pytest

from tests.chart import Helm
from tests.cluster import binaries
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress


@pytest.fixture(scope="session")
def helm(cluster_paths: Paths) -> Helm:
    """Helm of the version that the test cluster uses, built on first use."""
    return Helm(binaries.ensure(cluster_paths, ("helm",), Progress())["helm"])
