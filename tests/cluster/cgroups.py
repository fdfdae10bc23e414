"""The cgroups of a cluster: one tree that holds every process it ever started, in every hierarchy.

Both layouts are served: version 2, and version 1 with a mount per controller (or a mix of the two). Whatever escapes
its parent, as containerd's shims do, is still in the tree: that is how nothing is left behind.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.cluster.waiting import wait_for

_ROOT = Path("/sys/fs/cgroup")
_DAEMONS = "daemons"
_CONTROLLERS = "+cpuset +cpu +io +memory +pids"


class CgroupTree:
    """The folder ``/slipway-NAME`` in every hierarchy."""

    def __init__(self, name: str, root: Path = _ROOT) -> None:
        self._path = f"slipway-{name}"
        self._root = root

    def create(self, *children: str) -> None:
        """Make the tree with a group for each child (a kubelet's root) and one for the cluster's own processes."""
        for hierarchy in self._hierarchies():
            top = hierarchy / self._path
            for folder in (top, *(top / child for child in children), top / _DAEMONS):
                self._make(folder)

    def kubelet_root(self, child: str) -> str:
        """Return the cgroup root of a kubelet, relative to the hierarchies."""
        return f"/{self._path}/{child}"

    def daemons(self) -> Path:
        """Return the group that the cluster's own processes join, in the hierarchy that counts processes."""
        return self._tracking() / self._path / _DAEMONS

    def processes(self) -> list[int]:
        """Return the pids of all processes in the tree."""
        pids: list[int] = []
        for folder in _folders(self._tracking() / self._path):
            with suppress(FileNotFoundError, OSError):
                pids += [int(line) for line in (folder / "cgroup.procs").read_text().split()]
        return pids

    def kill(self) -> None:
        """End every process in the tree and wait until all are gone."""

        def killed() -> str | None:
            pids = self.processes()
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return f"pids {pids}" if pids else None

        wait_for(f"end of all processes in cgroup /{self._path}", killed, seconds=30, interval=0.05)

    def remove(self) -> None:
        """Remove the emptied tree from every hierarchy."""

        def removed() -> str | None:
            left = [folder for top in self.folders() for folder in _folders(top)]
            for folder in left:
                with suppress(OSError):  # busy for a moment after its last process ended
                    folder.rmdir()
            return f"{left[0]} and {len(left) - 1} more" if left and self.folders() else None

        wait_for(f"removal of cgroup /{self._path}", removed, seconds=30, interval=0.05)

    def folders(self) -> list[Path]:
        """Return the tree's folder in each hierarchy that has it."""
        return [top for hierarchy in self._hierarchies() if (top := hierarchy / self._path).exists()]

    def _hierarchies(self) -> list[Path]:
        if self._version_2():
            return [self._root]
        # The names of controllers mounted together (cpu,cpuacct) are links to one folder.
        return sorted(entry for entry in self._root.iterdir() if entry.is_dir() and not entry.is_symlink())

    def _version_2(self) -> bool:
        return (self._root / "cgroup.controllers").exists()

    def _tracking(self) -> Path:
        return self._root if self._version_2() else self._root / "pids"

    def _make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        if self._version_2():
            with suppress(OSError):  # a controller that this kernel lacks; the kubelet names it if it needs it
                (folder.parent / "cgroup.subtree_control").write_text(_CONTROLLERS)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # Version 1 lets no process into a group whose sets are empty, and children do not inherit them.
            file = folder / setting
            if not self._version_2() and file.exists() and not file.read_text().strip():
                file.write_text((folder.parent / setting).read_text())


def _folders(top: Path) -> Iterator[Path]:
    """Yield a group and all groups below it, deepest first."""
    for parent, _, _ in os.walk(top, topdown=False):
        yield Path(parent)
