"""Requests per second of one core, cost of a streamed chunk, memory: the router beside others, in turns."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.router.contenders import CONTENDERS, HERE, fixed_engine
from benchmarks.router.processes import cpu_seconds, free_port, memory_mib, running
from benchmarks.router.traffic import KEY, PATH, body
from tests.cluster.paths import Paths

ROUTER_CORE, LOAD_CORE = 0, 1
ENGINES = 2
Result = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.router", description=__doc__)
    parser.add_argument("--routers", default=",".join(CONTENDERS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns; medians are printed (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3, help="length of each measurement (default %(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="callers at once (default %(default)s)")
    parser.add_argument("--streams", type=int, default=100, help="streams at once (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write every single result there")
    arguments = parser.parse_args()
    names = arguments.routers.split(",")
    cache = Paths.from_environment(os.environ).cache / "bench-router"
    cache.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[Result]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for turn in range(arguments.rounds):
            for name in names if turn % 2 else reversed(names):
                print(f"round {turn + 1}: {name}", file=sys.stderr)
                results[name].append(measure(name, Path(folder), arguments))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))
    print_table({name: medians(rows) for name, rows in results.items()})


def measure(name: str, folder: Path, arguments: argparse.Namespace) -> Result:
    """One turn of one router: requests first, then streams."""
    with engines(folder, stream=False) as ports, router(name, folder, ports) as (pid, port):
        plain_load(port, arguments.connections, 1, folder)  # warm up
        idle = memory_mib(pid)
        before = cpu_seconds(pid)
        plain = plain_load(port, arguments.connections, arguments.seconds, folder)
        used = cpu_seconds(pid) - before
    result = {
        "requests_per_s": plain["requests"] / plain["seconds"],
        "requests_per_cpu_s": plain["requests"] / used,
        "p50_ms": plain["p50_ms"],
        "p99_ms": plain["p99_ms"],
        "memory_mib": idle,
    }
    with engines(folder, stream=True) as ports, router(name, folder, ports) as (pid, port):
        before = cpu_seconds(pid)
        streamed = stream_load(port, arguments.streams, arguments.seconds)
        used = cpu_seconds(pid) - before
    sent = streamed["chunks_per_s"] * (arguments.seconds + 1)  # the warm-up second costs the same
    errors = plain["errors"] + streamed.pop("errors")
    return {**result, **streamed, "us_per_chunk": 1e6 * used / sent, "errors": errors}


@contextmanager
def engines(folder: Path, stream: bool) -> Iterator[Sequence[int]]:
    """Engines on the load's core; gives their ports."""
    ports = [free_port() for _ in range(ENGINES)]
    with ExitStack() as stack:
        for port in ports:
            program = [sys.executable, "-m", "benchmarks.router.streams_engine", str(port)]
            command = program if stream else fixed_engine(folder, port)
            stack.enter_context(running(command, LOAD_CORE, port, folder / f"engine-{port}.log"))
        yield ports


@contextmanager
def router(name: str, folder: Path, engine_ports: Sequence[int]) -> Iterator[tuple[int, int]]:
    """A contender on its own core; gives its process id and port."""
    port = free_port()
    command = CONTENDERS[name](folder, port, engine_ports)
    with running(command, ROUTER_CORE, port, folder / f"{name}.log") as pid:
        yield pid, port


def plain_load(port: int, connections: int, seconds: float, folder: Path) -> Result:
    """As many requests as the router takes."""
    content = folder / "body.json"
    content.write_bytes(body(stream=False))
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s"]
    environment = {**os.environ, "BENCH_KEY": KEY, "BENCH_BODY": str(content)}
    return _json([*command, str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}{PATH}"], environment)


def stream_load(port: int, streams: int, seconds: float) -> Result:
    """A number of streams, paced by the engines."""
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "benchmarks.router.streams_load"]
    return _json([*command, str(port), str(streams), str(seconds)], dict(os.environ))


def _json(command: list[str], environment: dict[str, str]) -> Result:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    parsed: Result = json.loads(done.stdout.splitlines()[-1])
    return parsed


def medians(rows: list[Result]) -> Result:
    return {field: statistics.median(row[field] for row in rows) for field in rows[0]}


def print_table(results: dict[str, Any]) -> None:
    fields = list(next(iter(results.values())))
    print("| router | " + " | ".join(field.replace("_", " ") for field in fields) + " |")
    print("| --- |" + " ---: |" * len(fields))
    for name, row in results.items():
        print(f"| {name} | " + " | ".join(_short(row[field]) for field in fields) + " |")


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


if __name__ == "__main__":
    main()
