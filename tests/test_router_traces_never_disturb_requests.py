"""A collector that is away costs spans: neither requests nor the end of the router nor the log suffer."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from slipway_router.adapters.telemetry.tracing import FLUSH_SECONDS, QuietExporter
from slipway_router.app.options import Features, TelemetryOptions
from tests.fakes.upstream import upstream
from tests.routers import chat, model, running_router
from tests.runtimes import free_port

REQUESTS = 300


def told(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


@pytest.mark.local
async def test_a_collector_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    options = Features(telemetry=TelemetryOptions(otlp_endpoint=f"http://127.0.0.1:{free_port()}"))
    loop = asyncio.get_running_loop()
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=options) as router:
        client = router.openai()
        for _ in range(REQUESTS):
            await client.chat.completions.create(**chat())
        assert len(engine.requests) == REQUESTS
        began = loop.time()
    # OpenTelemetry itself would wait for half a minute.
    assert loop.time() - began < FLUSH_SECONDS + 10
    assert len(told(caplog, logging.WARNING)) <= 1


class Results(SpanExporter):
    """Gives its results one after another."""

    def __init__(self, *results: SpanExportResult) -> None:
        self._results = iter(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return next(self._results)


def test_the_log_tells_once_that_spans_are_lost_and_once_that_they_are_not(caplog: pytest.LogCaptureFixture) -> None:
    good, bad = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    caplog.set_level(logging.INFO)
    results = (good, bad, bad, bad, good, good, bad)
    exporter = QuietExporter(Results(*results), "http://collector:4318/v1/traces")
    assert tuple(exporter.export([]) for _ in results) == results
    assert [text.split(" to ")[0] for text in told(caplog)] == [
        "traces cannot be sent",
        "traces are sent",
        "traces cannot be sent",
    ]
