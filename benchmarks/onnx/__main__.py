"""Dynamic batching beside ONNX Runtime alone: ``python -m benchmarks.onnx [--rounds N] [--texts N]``.

Everything runs in turns in every round on the same cores, callers included; medians of the rounds are printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.onnx.texts import MIXES
from benchmarks.router.processes import cpu_seconds
from slipway_runtime.demo import resolve_demo
from tests.eventually import eventually
from tests.runtimes import free_port, runtime

STATIC_SIZES = (8, 16, 32, 64)
CALLERS = 32
BATCH_CALLERS, BATCH = 6, 32
MOST_OPEN = 512
HALF_LOAD = {"at half load, at random": (), "at half load, evenly": ("--evenly",)}
Results = defaultdict[str, list[float]]


@dataclass(frozen=True)
class Server:
    """A process that answers ``/v1/embeddings`` on ``port``."""

    pid: int
    port: int


def python(module: str, *arguments: object) -> Any:
    command = [sys.executable, "-m", f"benchmarks.onnx.{module}", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def plain_server(folder: Path) -> Iterator[Server]:
    """One request after another."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.onnx.reference", str(folder), "--port", str(port)]
    process = subprocess.Popen(command)
    try:
        eventually("an answer", lambda: _answers(port), lambda answers: answers, within=60)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        python("load", port, "queries", 1)
    except subprocess.CalledProcessError:
        return False
    return True


@contextmanager
def engine(scratch: Path, folder: Path) -> Iterator[Server]:
    """The ONNX engine as it is in a pod."""
    with runtime(scratch, engine="onnx", model_source=f"file://{folder}") as process:
        process.wait_for_phase("ready", 120)
        yield Server(process.process.pid, process.env.data_port)


def throughput(server: Server, mix: str, count: int, *options: object) -> tuple[float, float]:
    """Texts a second, and texts for each second of the server's CPU time."""
    before = cpu_seconds(server.pid)
    seconds: float = python("load", server.port, mix, count, *options)["seconds"]
    return count / seconds, count / (cpu_seconds(server.pid) - before)


def p99(latencies: Sequence[float]) -> float:
    """In milliseconds; ``latencies`` are sorted."""
    return latencies[int(len(latencies) * 0.99)] * 1000


Rates = tuple[float, float]
"""Texts a second, and texts for each second of CPU time."""


def alone(folder: Path, mix: str, count: int) -> tuple[Rates, Rates, Rates]:
    """One after another, in the best static batches, and in the best with the engine's own settings of ONNX Runtime.

    Each figure of the first two is the best of ONNX Runtime's default, a spinning thread for each core, and one thread,
    which takes longer and less CPU time.
    """

    def best(runs: Sequence[dict[str, dict[str, float]]], sizes: Sequence[int]) -> Rates:
        found = [run[str(size)] for run in runs for size in sizes]
        return count / min(one["seconds"] for one in found), count / min(one["cpu"] for one in found)

    plain = [python("reference", folder, mix, count, 1, *STATIC_SIZES, "--threads", threads) for threads in (0, 1)]
    tuned = [python("reference", folder, mix, count, *STATIC_SIZES, "--threads", 1, "--tuned")]
    return best(plain, (1,)), best(plain, STATIC_SIZES), best(tuned, STATIC_SIZES)


def measure_round(mix: str, count: int, folder: Path, scratch: Path, found: Results) -> None:
    """One turn for each."""
    loop, best, tuned = alone(folder, mix, count)
    with plain_server(folder) as server:
        plain = throughput(server, mix, count // 2, "--connections", CALLERS)
    with engine(scratch, folder) as server:
        throughput(server, mix, count // 4, "--connections", CALLERS)  # first runs allocate
        single = throughput(server, mix, count, "--connections", CALLERS)
        many = throughput(server, mix, count * 2, "--connections", BATCH_CALLERS, "--batch", BATCH)
        one, *half = latencies(server, mix, count, single[0] / 2)
    rows = {"loop": loop, "plain": plain, "static": best, "tuned": tuned, "single": single, "many": many}
    for name, (per_second, per_cpu_second) in rows.items():
        found[f"{name} texts/s"].append(per_second)
        found[f"{name} texts/cpu s"].append(per_cpu_second)
    for unit, index in (("time", 0), ("cpu", 1)):
        found[f"single / plain, by {unit}"].append(single[index] / plain[index])
        found[f"single / loop, by {unit}"].append(single[index] / loop[index])
        for name, rates in (("static", best), ("tuned", tuned)):
            found[f"many / {name}, by {unit}"].append(many[index] / rates[index])
            found[f"single / {name}, by {unit}"].append(single[index] / rates[index])
    for name, seconds in zip(("one request alone", *HALF_LOAD), (one, *half), strict=True):
        found[f"{name}, p50 ms"].append(seconds[len(seconds) // 2] * 1000)
        found[f"{name}, p99 ms"].append(p99(seconds))
    for name, seconds in zip(HALF_LOAD, half, strict=True):
        found[f"p99 {name} / p99 of one request alone"].append(p99(seconds) / p99(one))


def latencies(server: Server, mix: str, count: int, rate: float) -> Iterator[list[float]]:
    """Sorted seconds of ``count`` requests each: one at a time, and of those of ``HALF_LOAD``, ``rate`` a second."""
    yield python("load", server.port, mix, count)["latencies"]
    for options in HALF_LOAD.values():
        arriving = ("--connections", MOST_OPEN, "--rate", rate, *options)
        yield python("load", server.port, mix, count, *arriving)["latencies"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.onnx", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=2048, help="of each measurement (default %(default)s)")
    parser.add_argument("--mix", choices=tuple(MIXES), action="append", help="default: all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = resolve_demo("embed", scratch)
        for mix in asked.mix or MIXES:
            found: Results = defaultdict(list)
            for _ in range(asked.rounds):
                measure_round(mix, asked.texts, folder, scratch, found)
            print(f"\n{mix}\n")
            for what, values in found.items():
                print(f"{what:60} {statistics.median(values):8.2f}   {' '.join(f'{value:.2f}' for value in values)}")


if __name__ == "__main__":
    main()
