"""Long-running processes that outlive the program that started them."""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.shell import run
from tests.cluster.waiting import wait_for

# The inner shell moves itself into the cgroup and becomes the program; the outer one reports its pid and ends, so that
# init is the parent and reaps it.
_LAUNCH = """
inner='[ -z "$1" ] || echo $$ > "$1/cgroup.procs"; shift; exec "$@"'
log=$1; shift
setsid sh -c "$inner" sh "$@" </dev/null >"$log" 2>&1 &
echo $!
"""
_LOG_TAIL = 2000


@dataclass(frozen=True)
class ProcessRecord:
    """A started process. ``started`` (clock ticks since boot) tells it from a later process with the same pid."""

    pid: int
    started: int
    command: str

    def alive(self) -> bool:
        """Tell whether this very process runs."""
        return start_time(self.pid) == self.started


class Processes:
    """Starts, finds and stops processes by name; one record file each, written under ``records``."""

    def __init__(self, records: Path, logs: Path) -> None:
        self._records = records
        self._logs = logs

    def start(
        self, name: str, argv: Sequence[str | Path], *, cgroup: Path | None = None, env: Mapping[str, str] | None = None
    ) -> ProcessRecord:
        """Start ``argv`` in the background, in ``cgroup`` if given, its output going to the log file ``NAME.log``."""
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in argv]
        printed = run(["sh", "-c", _LAUNCH, "sh", self.log(name), cgroup or "", *words], env=env, cwd=Path("/"))
        pid = int(printed)
        record = ProcessRecord(pid, start_time(pid) or 0, " ".join(words))
        self._file(name).write_text(json.dumps(asdict(record)))
        return record

    def record(self, name: str) -> ProcessRecord | None:
        """Return the record of a process that was started and not stopped; it may have died since."""
        try:
            return ProcessRecord(**json.loads(self._file(name).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            # A run killed in the middle of writing leaves half a record: as good as none.
            return None

    def alive(self, name: str) -> bool:
        """Tell whether the process called ``name`` runs."""
        record = self.record(name)
        return record is not None and record.alive()

    def require(self, name: str) -> None:
        """Raise :class:`ClusterError` with the end of its log if the process called ``name`` has died."""
        if not self.alive(name):
            raise ClusterError(f"{name} ended; the end of {self.log(name)}:\n{self.log_tail(name)}")

    def names(self) -> list[str]:
        """Return the names of all recorded processes."""
        return sorted(path.stem for path in self._records.glob("*.json"))

    def log(self, name: str) -> Path:
        """Return the path of a process's log file."""
        return self._logs / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """Return the end of a process's log."""
        try:
            return self.log(name).read_text(errors="replace")[-_LOG_TAIL:]
        except FileNotFoundError:
            return "(no log)"

    def stop(self, name: str, *, grace: float = 5) -> None:
        """End a process if it runs, by force after ``grace`` seconds, and forget it."""
        record = self.record(name)
        if record is not None:
            _end(record, signal.SIGTERM if grace > 0 else signal.SIGKILL)
            deadline = time.monotonic() + grace
            while record.alive() and time.monotonic() < deadline:
                time.sleep(0.05)
            _end(record, signal.SIGKILL)
            wait_for(
                f"end of {name} (pid {record.pid})", lambda: "still running" if record.alive() else None, seconds=10
            )
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._records / f"{name}.json"


def _end(record: ProcessRecord, number: signal.Signals) -> None:
    if record.alive():
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or ``None`` if it is gone or a zombie (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets and may itself hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
