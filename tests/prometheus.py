"""A real Prometheus on loopback, from Debian's package."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.cluster import debian
from tests.cluster.progress import Progress
from tests.cluster.shell import run
from tests.eventually import eventually
from tests.runtimes import free_port

_END_SECONDS = 20
Sample = tuple[dict[str, str], float]
"""Labels and value."""


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    port: int

    def ask(self, query: str) -> list[Sample]:
        """The samples of an instant query."""
        answer = self._get("query", query=query)
        return [(entry["metric"], float(entry["value"][1])) for entry in answer["result"]]

    def scraped(self) -> list[str]:
        """State of each target: ``up``, ``down``, ``unknown``."""
        return [target["health"] for target in self._get("targets")["activeTargets"]]

    def _get(self, what: str, **parameters: str) -> Any:
        answer = httpx2.get(f"http://127.0.0.1:{self.port}/api/v1/{what}", params=parameters, timeout=10)
        document = json.loads(answer.text)
        assert document["status"] == "success", document
        return document["data"]


@contextmanager
def prometheus(
    folder: Path, targets: Mapping[str, int], labels: Mapping[str, str] | None = None
) -> Iterator[Prometheus]:
    """A server that scrapes ``targets``, ports of loopback by job, four times a second; all series get ``labels``."""
    debian.ensure(debian.PROMETHEUS, Progress())
    port, settings, log = free_port(), folder / "prometheus.yaml", folder / "prometheus.log"
    places = {
        job: {"targets": [f"127.0.0.1:{number}"], "labels": dict(labels or {})} for job, number in targets.items()
    }
    jobs = [{"job_name": job, "honor_labels": True, "static_configs": [place]} for job, place in places.items()]
    settings.write_text(yaml.safe_dump({"global": {"scrape_interval": "250ms"}, "scrape_configs": jobs}))
    command = [
        "prometheus",
        f"--config.file={settings}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    server = Prometheus(port)
    try:
        eventually("Prometheus has scraped", server.scraped, lambda seen: set(seen) == {"up"}, within=30)
        yield server
    finally:
        process.terminate()
        process.wait(_END_SECONDS)


def check_page(text: str) -> str:
    """What ``promtool`` has to say against a page of metrics; raises if it finds mistakes."""
    debian.ensure(debian.PROMETHEUS, Progress())
    return run(["promtool", "check", "metrics"], stdin=text)


def check_rules(folder: Path, case: Mapping[str, Any]) -> None:
    """Evaluate one case of ``promtool test rules``; raises if an expression gives something else."""
    debian.ensure(debian.PROMETHEUS, Progress())
    file = folder / "case.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [dict(case)]}))
    run(["promtool", "test", "rules", str(file)])


def check_configuration(folder: Path, text: str) -> None:
    """Let ``promtool`` read a configuration of Prometheus; raises if it finds mistakes."""
    debian.ensure(debian.PROMETHEUS, Progress())
    file = folder / "configuration.yaml"
    file.write_text(text)
    run(["promtool", "check", "config", str(file)])
