"""A node's own mount namespace.

Kubelet and containerd use fixed paths (``/var/lib/kubelet/device-plugins``, ``/run/containerd/s``, …). Each node gets
folders of its own there, seen by nobody else; what they mount vanishes with the namespace.
"""

from pathlib import Path

from tests.cluster.shell import run, succeeds

# Paths that the components insist on, and the folder of the node's state that stands behind each.
FOLDERS = {
    "/var/lib/kubelet": "kubelet",
    "/var/lib/containerd": "containerd",
    "/var/lib/cni": "cni",
    "/var/log": "log",
    "/run/containerd": "runtime",
    "/run/netns": "netns",
}


class MountNamespace:
    """A mount namespace that lives in the file ``file`` and shows ``state`` at the fixed paths."""

    def __init__(self, file: Path, state: Path) -> None:
        self.file = file
        self._state = state

    def exists(self) -> bool:
        """Tell whether the namespace is there."""
        return self.file.exists() and succeeds(["nsenter", f"--mount={self.file}", "true"])

    def create(self) -> None:
        """Make the namespace."""
        folder = self.file.parent
        folder.mkdir(parents=True, exist_ok=True)
        # A mount namespace can be kept in a file only where mounts do not propagate.
        run(["mount", "--bind", folder, folder])
        run(["mount", "--make-private", folder])
        self.file.touch()
        run(["unshare", f"--mount={self.file}", "true"])
        for seen, kept in FOLDERS.items():
            Path(seen).mkdir(parents=True, exist_ok=True)
            (self._state / kept).mkdir(parents=True, exist_ok=True)
            run(["nsenter", f"--mount={self.file}", "mount", "--bind", self._state / kept, seen])
        # Volumes that the kubelet mounts must show up in containers.
        run(["nsenter", f"--mount={self.file}", "mount", "--make-rshared", "/"])

    def remove(self) -> None:
        """Unmount the namespace's file; the mounts inside go when its last process has ended."""
        for path in (self.file, self.file.parent):
            while _mounted(path):
                run(["umount", "--lazy", path])
        self.file.unlink(missing_ok=True)


def _mounted(path: Path) -> bool:
    """Tell whether something is mounted at ``path`` (proc_pid_mountinfo(5), fifth field)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4] == str(path) for line in lines)
