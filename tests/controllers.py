"""Kubernetes' own controllers beside an API server that has none."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer
from tests.cluster.controlplane import ControlPlane
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.runtimes import free_port


@contextmanager
def controller(server: ApiServer, paths: Paths, folder: Path, name: str, *arguments: str) -> Iterator[Path]:
    """The controller manager with one controller for the length of a ``with`` block. Gives its log, in ``folder``."""
    built = binaries.ensure(paths, binaries.CONTROL_PLANE, Progress())
    plane = ControlPlane(built, server.certificates, folder, "127.0.0.1")
    log = folder / "kube-controller-manager.log"
    with log.open("wb") as output:
        chosen = [f"--controllers={name}", f"--secure-port={free_port()}", *arguments]
        command = [*plane.controller_manager(server.kubeconfig), *chosen]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield log
    finally:
        process.kill()
        process.wait(20)
