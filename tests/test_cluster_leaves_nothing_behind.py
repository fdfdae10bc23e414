"""After ``down`` the machine is as it was before ``up``."""

from pathlib import Path

import pytest

from tests.cluster.local import LocalProvider
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.cluster.shell import run

pytestmark = pytest.mark.cluster

NAME = "gone"


def traces(paths: Paths) -> dict[str, list[str]]:
    """Everything on this machine that carries the cluster's name, by kind."""
    words = f"slipway-{NAME}", f"slip-{NAME}", f"/{NAME}/"
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    folders = [paths.instance(NAME).run, paths.instance(NAME).state]
    processes = {str(path): _command(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return {
        "mounts": [line for line in mounts if any(word in line for word in words)],
        "links": [line for line in run(["ip", "-br", "link"]).splitlines() if any(word in line for word in words)],
        "namespaces": [str(path) for path in Path("/run/netns").glob(f"slipway-{NAME}-*")],
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/slipway-{NAME}")],
        "folders": [str(path) for path in folders if path.exists()],
        "processes": [text for text in processes.values() if f"/{NAME}/" in text or f"slipway-{NAME}" in text],
    }


def _command(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_down_removes_all_traces_of_two_nodes_with_running_pods(cluster_paths: Paths) -> None:
    provider = LocalProvider(cluster_paths, NAME, Progress())
    provider.up(2)
    up = traces(cluster_paths)
    assert all(up.values()), f"a kind of trace is not recognised: {up}"
    provider.down()
    assert traces(cluster_paths) == {kind: [] for kind in up}


def test_down_of_a_cluster_that_is_down_does_nothing(cluster_paths: Paths) -> None:
    provider = LocalProvider(cluster_paths, "never", Progress())
    provider.down()
    assert str(provider.status()) == "down"
