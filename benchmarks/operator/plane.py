"""A control plane without nodes: API server, controllers and scheduler on loopback."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer
from tests.cluster.controlplane import ControlPlane
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.runtimes import free_port

_PROGRAMS = ("kube-controller-manager", "kube-scheduler")


@contextmanager
def control_plane(paths: Paths, logs: Path) -> Iterator[ApiServer]:
    """Pods are made and found unschedulable, as on any cluster that has no room for them."""
    built = binaries.ensure(paths, _PROGRAMS, Progress())
    with ApiServer.start(paths, Progress()) as server, ExitStack() as stack:
        files = server.kubeconfig.parent
        plane = ControlPlane(built, files / "pki", files / "etcd", "127.0.0.1")
        commands = (plane.controller_manager(server.kubeconfig), plane.scheduler(server.kubeconfig))
        for name, command in zip(_PROGRAMS, commands, strict=True):
            stack.enter_context(_running([*command, f"--secure-port={free_port()}"], logs / f"{name}.log"))
        yield server


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
