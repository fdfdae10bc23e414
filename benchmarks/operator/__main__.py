"""Applies many ModelDeployments at once and measures the operator: time, writes, CPU, memory; then an idle minute."""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.operator.plane import control_plane
from benchmarks.operator.watching import Watcher
from tests.chart import Helm
from tests.cluster import binaries
from tests.cluster.apiserver import ApiServer
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.custom_resources import CRDS
from tests.eventually import eventually
from tests.operator_process import OperatorProcess, grant_operator_rights

NAMESPACE = "default"
CHILDREN = ("Deployment", "Service", "ServiceAccount")
ROUNDS: dict[str, tuple[dict[str, Any], str]] = {
    # round: (fields of the spec, reason of Ready at its end)
    "zero replicas": ({"replicas": 0}, "ScaledToZero"),
    "one unschedulable replica": ({"resources": {"gpu": {"count": 1}}}, "Unschedulable"),
}
LAST_ROUND = list(ROUNDS)[-1]
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_SECONDS = 5.0
_CLEAR_SECONDS = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.operator", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="ModelDeployments per round (default 200)")
    parser.add_argument("--idle", type=float, default=60, help="seconds to measure idling, 0 for none (default 60)")
    parser.add_argument("--timeout", type=float, default=90, help="longest wait for a round, in seconds (default 90)")
    arguments = parser.parse_args()
    paths = Paths.from_environment(os.environ)
    with (
        tempfile.TemporaryDirectory() as folder,
        control_plane(paths, Path(folder)) as server,
        leading_operator(server, paths, Path(folder)) as operator,
    ):
        results = {name: play(server, operator, name, arguments) for name in ROUNDS}
        if arguments.idle:
            results["idle"] = idle(operator, arguments.idle)
    json.dump(results, sys.stdout, indent=2)
    print()


@contextmanager
def leading_operator(server: ApiServer, paths: Paths, folder: Path) -> Iterator[OperatorProcess]:
    """An operator process with the rights that the chart gives it."""
    server.kubectl("apply", "--server-side", "-f", str(CRDS))
    server.kubectl("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=30s")
    helm = Helm(binaries.ensure(paths, ("helm",), Progress())["helm"])
    with grant_operator_rights(server, helm).running(folder) as operator:
        eventually("the operator leads", operator.leads, bool, within=30)
        yield operator


def play(server: ApiServer, operator: OperatorProcess, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One round: apply, wait for children and status, let it settle, count."""
    spec, reason = ROUNDS[name]
    names = {f"{name.split()[0]}-{number}" for number in range(arguments.count)}
    with cleared(server, keep=name == LAST_ROUND):
        watcher = Watcher(server.kubeconfig, NAMESPACE, reason)
        before, used = writes(operator), usage(operator)
        server.kubectl("create", "-n", NAMESPACE, "-f", "-", stdin=manifests(names, spec), timeout=arguments.timeout)
        returned = time.monotonic()
        finished = watcher.wait(names, len(CHILDREN), arguments.timeout)
        time.sleep(_SETTLE_SECONDS)
        after, now = writes(operator), usage(operator)
        watcher.end()
        moments = watcher.moments
    made = difference(before, after)
    others = sum(count for kind, count in made.items() if kind not in CHILDREN)
    return {
        "count": arguments.count,
        "finished": finished,
        "seconds_after_apply_returned": {
            "last child": latest(moments.last_child(), returned),
            "last first status": latest(moments.status, returned),
            f"last {reason}": latest(moments.settled, returned),
        },
        "seconds_from_cr_to_last_child": spread(moments.last_child(), moments.added),
        "seconds_from_cr_to_first_status": spread(moments.status, moments.added),
        "writes": made,
        "writes_per_model_beyond_children": round(others / arguments.count, 2),
        "cpu_seconds": round(now["cpu_seconds"] - used["cpu_seconds"], 2),
        "rss_mib": now["rss_mib"],
    }


@contextmanager
def cleared(server: ApiServer, *, keep: bool) -> Iterator[None]:
    """Delete the models at the end and wait until the garbage collector is done, unless they are to be kept."""
    yield
    if keep:
        return
    server.kubectl("delete", "mdep", "--all", "-n", NAMESPACE, "--wait=false", timeout=_CLEAR_SECONDS)
    eventually(
        "the children are gone",
        lambda: server.kubectl("get", "deployments,pods", "-n", NAMESPACE, "-o", "name").split(),
        lambda left: left == [],
        within=_CLEAR_SECONDS,
        every=1.0,
    )


def idle(operator: OperatorProcess, seconds: float) -> dict[str, Any]:
    """What the operator does while nothing happens, with the models of the last round in place."""
    last: list[dict[str, float]] = []
    eventually(
        "no write for a while", lambda: quiet(operator, last), bool, within=_CLEAR_SECONDS, every=_SETTLE_SECONDS
    )
    before, used = writes(operator), usage(operator)
    time.sleep(seconds)
    now = usage(operator)
    return {
        "seconds": seconds,
        "writes": difference(before, writes(operator)),
        "cpu_seconds": round(now["cpu_seconds"] - used["cpu_seconds"], 2),
        "rss_mib": now["rss_mib"],
    }


def quiet(operator: OperatorProcess, last: list[dict[str, float]]) -> bool:
    """Whether nothing was written since the last look."""
    last.append(writes(operator))
    return last[-2:-1] == last[-1:]


def manifests(names: set[str], spec: Mapping[str, Any]) -> str:
    """YAML of the round's ModelDeployments."""
    head = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment"}
    body = {"model": {"source": "demo://dummy"}, "engine": {"type": "dummy"}, **spec}
    return yaml.safe_dump_all([{**head, "metadata": {"name": name}, "spec": body} for name in sorted(names)])


def writes(operator: OperatorProcess) -> dict[str, float]:
    """The operator's own count of its writes by kind, refused ones too."""
    counted: dict[str, float] = {}
    for sample, value in operator.metrics().items():
        if sample.startswith("slipway_operator_api_writes_total{"):
            kind = sample.split('kind="')[1].split('"')[0]
            counted[kind] = counted.get(kind, 0) + value
    return counted


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, int]:
    """What was added, by kind."""
    return {kind: int(after[kind] - before.get(kind, 0)) for kind in after if after[kind] > before.get(kind, 0)}


def usage(operator: OperatorProcess) -> dict[str, float]:
    """CPU time and resident memory of the process, from proc(5)."""
    folder = Path(f"/proc/{operator.process.pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    resident = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"cpu_seconds": (int(fields[11]) + int(fields[12])) / _TICKS, "rss_mib": round(resident / 2**20, 1)}


def latest(moments: Mapping[str, float], since: float) -> float | None:
    """Seconds until the last of them; None when there was none."""
    return round(max(moments.values()) - since, 2) if moments else None


def spread(ends: Mapping[str, float], starts: Mapping[str, float]) -> dict[str, float]:
    """Median and greatest of the time between."""
    taken = [ends[name] - starts[name] for name in ends if name in starts] or [math.nan]
    return {"median": round(statistics.median(taken), 3), "max": round(max(taken), 3)}


if __name__ == "__main__":
    main()
