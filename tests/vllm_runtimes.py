"""What tests of real vLLM processes share."""

from pathlib import Path

# Several engines may be loading at once on few cores.
LOAD_SECONDS = 600.0
# For models of a few megabytes: as little memory as serves some requests at once.
SMALL = ("--kv-cache-memory-bytes=67108864",)


def processes_below(pid: int) -> set[int]:
    """Process ids of all that ``pid`` has started, and that these have started."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def running(pids: set[int]) -> set[int]:
    """Those of ``pids`` that have not ended; one that has, and whom nobody has collected, does not count."""
    return {pid for pid in pids if _state(pid) not in ("", "Z")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
