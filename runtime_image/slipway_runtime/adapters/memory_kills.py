"""How often the kernel has killed something in our memory cgroup."""

from pathlib import Path

_FILES = ("memory.events", "memory/memory.oom_control")


def memory_kills(root: Path = Path("/sys/fs/cgroup")) -> int:
    """The ``oom_kill`` count of the container's cgroup, version 2 or 1; 0 where there is none to read.

    With cgroup v1 (and on a kubelet with single-process OOM kills) only the engine's process dies of a memory limit:
    the container goes on, and without this count the cause would look like any other SIGKILL.
    """
    for name in _FILES:
        try:
            lines = (root / name).read_text().splitlines()
        except OSError:
            continue
        counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
        return int(counts.get("oom_kill", "0"))
    return 0
