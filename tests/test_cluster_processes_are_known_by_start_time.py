import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.processes import Processes, ProcessRecord, start_time
from tests.cluster.waiting import wait_for

pytestmark = pytest.mark.local

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path / "records", tmp_path / "logs")
    yield found
    for name in found.names():
        found.stop(name, grace=0)


def test_a_started_process_is_found_again_by_another_run(processes: Processes, tmp_path: Path) -> None:
    started = processes.start("sleeper", SLEEPER)
    later = Processes(tmp_path / "records", tmp_path / "logs")
    assert later.record("sleeper") == started
    assert later.alive("sleeper")


def test_a_stopped_process_is_gone_and_forgotten(processes: Processes) -> None:
    started = processes.start("sleeper", SLEEPER)
    processes.stop("sleeper")
    assert start_time(started.pid) is None
    assert processes.names() == []


def test_a_process_that_reused_the_pid_is_not_ended(processes: Processes, tmp_path: Path) -> None:
    started = processes.start("sleeper", SLEEPER)
    other = ProcessRecord(started.pid, started.started - 1, "earlier")
    (tmp_path / "records" / "earlier.json").write_text(json.dumps(other.__dict__))
    assert not processes.alive("earlier")
    processes.stop("earlier")
    assert processes.alive("sleeper")


def test_a_process_that_died_is_reported_with_the_end_of_its_log(processes: Processes) -> None:
    processes.start("failing", [sys.executable, "-c", "raise SystemExit('no such flag')"])
    wait_for("end of the process", lambda: "alive" if processes.alive("failing") else None, seconds=10)
    with pytest.raises(ClusterError, match="no such flag"):
        processes.require("failing")


def test_start_time_of_this_process_is_known_and_stable() -> None:
    assert start_time(os.getpid()) is not None
    assert start_time(os.getpid()) == start_time(os.getpid())
