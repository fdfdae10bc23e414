"""etcd and kube-apiserver alone, on loopback: ready in seconds, needs no root.

Proves what the API itself decides: schemas, CEL rules, server-side apply, RBAC. There are no controllers, no scheduler
and no nodes: pods stay pending and nothing is collected.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from tests.cluster import binaries, debian, pki
from tests.cluster.controlplane import KUBERNETES_SERVICE, ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.kubectl import Kubectl, write_certificate_kubeconfig, write_service_account_kubeconfig
from tests.cluster.paths import Paths, locked
from tests.cluster.processes import Processes, start_time
from tests.cluster.progress import Progress
from tests.cluster.waiting import wait_for

_ADDRESS = "127.0.0.1"
_START_SECONDS = 60
_OWNED = "p"  # names of servers that belong to a process: this letter and its pid


class ApiServer:
    """One API server with its own etcd; several may run side by side under different names."""

    def __init__(self, paths: Paths, name: str, progress: Progress) -> None:
        paths.instance(name)  # the same rule for names
        self._paths = paths
        self._state = paths.cache / "apiserver" / name
        self._progress = progress
        self._processes = Processes(self._state / "processes", self._state / "logs")

    @classmethod
    @contextmanager
    def start(cls, paths: Paths, progress: Progress) -> Iterator[Self]:
        """Run an API server of its own for the length of a ``with`` block."""
        _remove_orphans(paths, progress)
        server = cls(paths, f"{_OWNED}{os.getpid()}", progress)
        server.up()
        try:
            yield server
        finally:
            server.down()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig.

        Raises :class:`ClusterError` when the server was not started.
        """
        path = self._kubeconfig
        if not path.exists():
            raise ClusterError("the API server is down; start it: python -m tests.cluster apiserver up")
        return path

    @property
    def kubectl(self) -> Kubectl:
        """The administrator's kubectl."""
        built = binaries.ensure(self._paths, binaries.CONTROL_PLANE, self._progress)
        return Kubectl(built["kubectl"], self.kubeconfig)

    @property
    def certificates(self) -> Path:
        """Keys and certificates, as `tests.cluster.pki` names them."""
        return self._state / "pki"

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig with a token of an existing ServiceAccount, and return its path."""
        target = self._state / "kubeconfigs" / f"{namespace}-{name}.kubeconfig"
        write_service_account_kubeconfig(
            target, kubectl=self.kubectl, admin=self.kubeconfig, namespace=namespace, name=name
        )
        return target

    def running(self) -> bool:
        """Tell whether both processes run and the server is ready."""
        alive = all(self._processes.alive(name) for name in ("etcd", "kube-apiserver"))
        return alive and self._kubeconfig.exists() and self.kubectl.ready() is None

    def up(self) -> None:
        """Start a server with empty storage, unless one runs and is ready."""
        debian.ensure(debian.ETCD, self._progress)
        built = binaries.ensure(self._paths, binaries.CONTROL_PLANE, self._progress)
        with locked(self._lock):
            if self.running() and not pki.expires_soon(self._state / "pki"):
                return
            self._remove()
            with self._progress.step("API server"):
                self._start(built)

    def down(self) -> None:
        """Stop the server and remove its files."""
        with locked(self._lock):
            self._remove()
            self._lock.unlink()

    def _start(self, built: binaries.Binaries) -> None:
        folder = self._state / "pki"
        pki.ensure(folder, pki.control_plane_leaves((_ADDRESS, KUBERNETES_SERVICE)))
        port, etcd_port, etcd_peer_port = _free_ports(3)
        # Endpoints must not be on loopback, where aggregated APIs of tests are; a Service of type ExternalName may be.
        plane = ControlPlane(
            built, folder, self._state / "etcd", _ADDRESS, port, etcd_port, etcd_peer_port, route_to_endpoints=False
        )
        write_certificate_kubeconfig(self._kubeconfig, server=plane.server, pki=folder, client="admin")
        self._processes.start("etcd", plane.etcd())
        self._processes.start("kube-apiserver", plane.api_server())
        wait_for("API server is ready", self._ready, seconds=_START_SECONDS, interval=0.1)

    def _ready(self) -> str | None:
        for name in ("etcd", "kube-apiserver"):
            self._processes.require(name)
        return self.kubectl.ready()

    def _remove(self) -> None:
        # Its storage goes with it, so there is nothing that a graceful end, slow while watches are open, would save.
        for name in self._processes.names():
            self._processes.stop(name, grace=0)
        shutil.rmtree(self._state, ignore_errors=True)

    @property
    def _lock(self) -> Path:
        return self._state.with_suffix(".lock")

    @property
    def _kubeconfig(self) -> Path:
        return self._state / "admin.kubeconfig"


def _remove_orphans(paths: Paths, progress: Progress) -> None:
    """Take down servers whose owner was killed before it could do so itself."""
    for folder in (paths.cache / "apiserver").glob(f"{_OWNED}[0-9]*"):
        if folder.is_dir() and start_time(int(folder.name.removeprefix(_OWNED))) is None:
            ApiServer(paths, folder.name, progress).down()


def _free_ports(count: int) -> list[int]:
    """Return ports of loopback that nothing listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_ADDRESS, 0))
        return [int(each.getsockname()[1]) for each in sockets]
