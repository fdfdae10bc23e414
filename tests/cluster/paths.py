"""Where the test cluster keeps its files, all of it outside the checkout."""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

_INSTANCE_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")


@dataclass(frozen=True)
class InstancePaths:
    """Folders of one cluster.

    ``run`` holds sockets, namespaces and process records: it stays short because a socket's path may have 107
    characters. ``state`` holds what grows: etcd's data, images, logs.
    """

    name: str
    run: Path
    state: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.run / "admin.kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """One log file per component."""
        return self.state / "logs"

    @property
    def processes(self) -> Path:
        """One record per running component."""
        return self.run / "processes"


@dataclass(frozen=True)
class Paths:
    """The two roots: a cache that survives, a run folder that does not."""

    cache: Path
    run: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Paths":
        """Read ``SLIPWAY_CACHE``, ``XDG_CACHE_HOME`` and ``SLIPWAY_RUN``."""
        xdg = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        cache = environment.get("SLIPWAY_CACHE") or f"{xdg}/slipway"
        return cls(cache=Path(cache).resolve(), run=Path(environment.get("SLIPWAY_RUN") or "/run/slipway-test"))

    def instance(self, name: str) -> InstancePaths:
        """Return the folders of the cluster called ``name``.

        Raises :class:`ClusterError` for a name that does not fit into the name of a network interface.
        """
        if not _INSTANCE_NAME.fullmatch(name):
            raise ClusterError(f"--name {name!r}: use 1 to 8 lower-case letters and digits, a letter first")
        return InstancePaths(name=name, run=self.run / name, state=self.cache / "state" / name)


def write_changed(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file unless it holds this text: programs that watch their configuration restart on every write."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode)
    path.write_text(text)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``, so that two runs do not work on the same files.

    The file may be removed while the lock is held: who waited for it then locks the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(handle.fileno(), path):
                yield
                return


def _is(descriptor: int, path: Path) -> bool:
    """Tell whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
