"""A cluster of its own is broken in the ways that killed runs and crashes leave behind."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.cluster.local import LocalProvider
from tests.cluster.network import Network
from tests.cluster.paths import InstancePaths, Paths
from tests.cluster.progress import Progress
from tests.cluster.shell import run

pytestmark = pytest.mark.cluster

NAME = "broken"


@pytest.fixture(scope="module")
def provider(cluster_paths: Paths) -> Iterator[LocalProvider]:
    provider = LocalProvider(cluster_paths, NAME, Progress())
    provider.up()
    yield provider
    provider.down()


@pytest.fixture
def folders(cluster_paths: Paths) -> InstancePaths:
    return cluster_paths.instance(NAME)


def kill_all(provider: LocalProvider) -> None:
    for part in provider.status().components:
        if part.pid is not None:
            os.kill(part.pid, signal.SIGKILL)


def test_up_restarts_what_was_killed(provider: LocalProvider) -> None:
    kill_all(provider)
    assert not provider.status().healthy
    provider.up()
    assert provider.status().healthy, str(provider.status())


def test_up_starts_anew_when_a_network_namespace_is_gone(provider: LocalProvider) -> None:
    run(["ip", "netns", "delete", Network(NAME, 0).namespace(1)])
    provider.up()
    assert provider.status().healthy, str(provider.status())


def test_up_starts_anew_when_the_record_of_the_run_is_half_written(
    provider: LocalProvider, folders: InstancePaths
) -> None:
    settings = folders.run / "settings.json"
    settings.write_text(settings.read_text()[:10])
    provider.up()
    assert provider.status().healthy, str(provider.status())
