"""What the supervisor costs a saturated engine: CPU beside the engine's, a hop on the data port, slow probes.

``python -m benchmarks.overhead [--engine llamacpp|vllm] [--seconds N] [--rounds N]``. All places of the engine are
taken by requests that outlast the measurement; meanwhile the control port is asked as the kubelet and Prometheus do,
and then as fast as it answers.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2

from tests.engine_cases import ENGINE_CASES, PLACES, EngineCase, Started, started
from tests.eventually import eventually
from tests.vllm_runtimes import processes_below

_TICKS = os.sysconf("SC_CLK_TCK")
_PROBES = ("/livez", "/readyz")
_PROBE_SECONDS = 1.0
"""More often than the kubelet asks."""
_SCRAPE_EVERY = 10
"""Probes for each question for state and metrics."""


def main() -> None:
    cases = {case.name: case for case in ENGINE_CASES if not case.ours}
    parser = argparse.ArgumentParser(prog="benchmarks.overhead", description=__doc__)
    parser.add_argument("--engine", choices=sorted(cases), default="llamacpp")
    parser.add_argument("--seconds", type=float, default=20, help="of one round (default 20)")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    arguments = parser.parse_args()
    json.dump(measure(cases[arguments.engine], arguments.seconds, arguments.rounds), sys.stdout, indent=2)
    print()


def measure(case: EngineCase, seconds: float, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, started(case, Path(folder)) as engine:
        found = [one_round(engine, seconds) for _ in range(rounds)]
        return {
            "engine": case.name,
            "load average": os.getloadavg()[0],
            "data port is the engine's own": data_port_owner(engine) != engine.process.process.pid,
            **{name: statistics.median(result[name] for result in found) for name in found[0]},
        }


def one_round(engine: Started, seconds: float) -> dict[str, float]:
    supervisor = engine.process.process.pid
    with ExitStack() as held:
        for _ in range(PLACES):
            held.enter_context(engine.open_request(engine.case.long))
        eventually("saturated", engine.in_flight, lambda count: count == PLACES, within=30)
        before = cpu_seconds(supervisor), engine_cpu_seconds(supervisor)
        began = time.monotonic()
        probe_for(engine, seconds)
        taken = time.monotonic() - began
        own = cpu_seconds(supervisor) - before[0]
        engines = engine_cpu_seconds(supervisor) - before[1]
        with httpx2.Client(base_url=control_url(engine)) as client:
            probes = latencies(client, _PROBES, 250)
            states = latencies(client, ("/state", "/metrics"), 20)
        assert engine.in_flight() == PLACES, "the engine had nothing to do at the end; lower --seconds"
    eventually("idle", engine.in_flight, lambda count: count == 0, within=120, every=2.5)
    return {
        "supervisor CPU s": round(own, 3),
        "engine CPU s": round(engines, 3),
        "supervisor CPU, % of one core": round(100 * own / taken, 3),
        "supervisor CPU, % of engine": round(100 * own / engines, 3),
        "probe p50 ms": percentile(probes, 0.5),
        "probe p99 ms": percentile(probes, 0.99),
        "state and metrics p99 ms": percentile(states, 0.99),
    }


def probe_for(engine: Started, seconds: float) -> None:
    """Ask the control port as a cluster does."""
    end = time.monotonic() + seconds
    asked = 0
    with httpx2.Client(base_url=control_url(engine)) as client:
        while time.monotonic() < end:
            for path in (*_PROBES, *(("/state", "/metrics") if asked % _SCRAPE_EVERY == 0 else ())):
                client.get(path, timeout=20)
            asked += 1
            time.sleep(_PROBE_SECONDS)


def latencies(client: httpx2.Client, paths: tuple[str, ...], count: int) -> list[float]:
    """Seconds of each of ``count`` questions to each of ``paths``."""
    found = []
    for path in paths * count:
        began = time.perf_counter()
        client.get(path, timeout=20).raise_for_status()
        found.append(time.perf_counter() - began)
    return found


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 2)


def control_url(engine: Started) -> str:
    return f"http://127.0.0.1:{engine.process.env.control_port}"


def cpu_seconds(pid: int) -> float:
    """User and system time of one process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def engine_cpu_seconds(supervisor: int) -> float:
    return sum(map(cpu_seconds, processes_below(supervisor)))


def data_port_owner(engine: Started) -> int:
    """The process that listens on the data port."""
    port = f":{engine.process.env.data_port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(row[9] for row in rows if row[1].endswith(port) and row[3] == "0A")
    supervisor = engine.process.process.pid
    for pid in (supervisor, *processes_below(supervisor)):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if descriptor.is_symlink() and str(descriptor.readlink()) == f"socket:[{inode}]":
                return pid
    raise AssertionError("nobody listens on the data port")


if __name__ == "__main__":
    main()
