"""A real OpenTelemetry Collector on loopback, built from its Go modules, that writes what it receives into a file."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.paths import Paths, locked
from tests.cluster.shell import run
from tests.eventually import eventually
from tests.runtimes import free_port

_MODULE = Path(__file__).parent / "collector"
_BUILD_SECONDS = 1800
_END_SECONDS = 20


@dataclass(frozen=True)
class Span:
    """One received span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    """As in OTLP: 2 is a server's, 3 a client's."""
    start: int
    end: int
    """Both in nanoseconds since 1970."""
    status: int
    """As in OTLP: 2 is an error."""
    state: str
    attributes: dict[str, Any]
    service: str


@dataclass(frozen=True)
class Collector:
    """A running collector."""

    port: int
    file: Path

    @property
    def endpoint(self) -> str:
        """Base URL for OTLP over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def text(self) -> str:
        """All that was received, as JSON lines."""
        return self.file.read_text() if self.file.exists() else ""

    def spans(self) -> list[Span]:
        """All spans so far."""
        return [span for line in self.text.splitlines() for span in _spans(json.loads(line))]

    def trace(self, trace_id: str, count: int) -> list[Span]:
        """The ``count`` spans of a trace, by their start; waits for them."""

        def look() -> list[Span]:
            return [span for span in self.spans() if span.trace_id == trace_id]

        spans = eventually(f"{count} spans of {trace_id}", look, lambda seen: len(seen) >= count, within=20)
        return sorted(spans, key=lambda span: span.start)


def _spans(document: dict[str, Any]) -> Iterator[Span]:
    for group in document["resourceSpans"]:
        service = _attributes(group["resource"])["service.name"]
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                yield Span(
                    span["name"],
                    span["traceId"],
                    span["spanId"],
                    span.get("parentSpanId", ""),
                    span["kind"],
                    int(span["startTimeUnixNano"]),
                    int(span["endTimeUnixNano"]),
                    span.get("status", {}).get("code", 0),
                    span.get("traceState", ""),
                    _attributes(span),
                    service,
                )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {entry["key"]: _value(entry["value"]) for entry in holder.get("attributes", ())}


def _value(typed: dict[str, Any]) -> Any:
    kind: str = next(iter(typed), "stringValue")
    value = typed.get(kind, "")
    if kind == "arrayValue":
        return [_value(entry) for entry in value.get("values", ())]
    return int(value) if kind == "intValue" else value


def _program(cache: Path) -> Path:
    """The collector's program, built unless it is cached: a minute and a half of one processor."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_MODULE.iterdir()))).hexdigest()
    program = cache / "collector" / digest[:12] / "collector"
    with locked(cache / "collector.lock"):
        if not program.exists():
            if shutil.which("go") is None:
                pytest.skip("no Go toolchain: the OpenTelemetry Collector is built from source")
            shutil.rmtree(cache / "collector", ignore_errors=True)
            program.parent.mkdir(parents=True)
            building = program.with_suffix(".build")
            command = [
                "nice",
                "go",
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-ldflags=-s -w",
                "-o",
                str(building),
                ".",
            ]
            run(command, env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}, cwd=_MODULE, timeout=_BUILD_SECONDS)
            building.rename(program)
    return program


@contextmanager
def _running(program: Path, folder: Path) -> Iterator[Collector]:
    port, file, settings = free_port(), folder / "received.json", folder / "collector.yaml"
    settings.write_text(
        yaml.safe_dump(
            {
                "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
                "exporters": {"file": {"path": str(file), "flush_interval": "100ms"}},
                "service": {
                    "telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
                },
            }
        )
    )
    log = folder / "collector.log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, f"--config=file:{settings}"], stdout=output, stderr=output)
    try:
        eventually(
            "the collector is ready",
            log.read_text,
            lambda text: "ready" in text or process.poll() is not None,
            within=30,
        )
        assert process.poll() is None, log.read_text()
        yield Collector(port, file)
    finally:
        process.terminate()
        process.wait(_END_SECONDS)


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory, cluster_paths: Paths) -> Iterator[Collector]:
    """A collector for the session."""
    with _running(_program(cluster_paths.cache), tmp_path_factory.mktemp("collector")) as collector:
        yield collector
