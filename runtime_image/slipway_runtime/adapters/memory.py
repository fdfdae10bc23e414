"""How much memory this process may use."""

import os
from pathlib import Path

_FILES = ("memory.max", "memory/memory.limit_in_bytes")


def usable_memory(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of the machine's memory, bounded by the container's limit (cgroup version 2 or 1)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _FILES:
        try:
            limit = (root / name).read_text().strip()
        except OSError:
            continue
        return machine if limit == "max" else min(machine, int(limit))
    return machine
