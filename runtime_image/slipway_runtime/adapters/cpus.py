"""How many CPUs this process may use."""

import math
import os
from pathlib import Path


def usable_cpus(root: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs of the affinity mask, bounded by the container's quota (cgroup version 2 or 1), at least 1.

    Engines count the machine's cores by themselves; in a container limited to two of sixty-four, that many threads
    would stand in each other's way.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(root)
    return max(1, available if quota is None else min(available, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    try:
        limit, period = (root / "cpu.max").read_text().split()
    except OSError:
        try:
            limit = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return None if limit in ("max", "-1") else int(limit) / int(period)
