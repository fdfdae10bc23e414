"""Traces: two OpenTelemetry spans per request, one of the request and one of its engine's work.

They are made when the request is over, from what the exchange tells; at its begin there are only identities. Names are
those of OpenTelemetry's conventions for HTTP servers and generative AI. What was said is in none of them.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from slipway_router.adapters.telemetry.span_attributes import (
    Attributes,
    client_attributes,
    client_name,
    server_attributes,
    server_name,
)
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.metering.finish_reasons import FinishReasons, tells_reasons
from slipway_router.domain.metering.usage import UsageFinder
from slipway_router.domain.tracing import TraceStarter, read_parent

MAX_QUEUE: Final = 8192
"""Spans that wait to be exported; the oldest are dropped beyond that."""
_BATCH: Final = 128
"""Spans per export: to encode them holds the interpreter's lock, so few at a time."""
_DELAY_MILLIS: Final = 1000
FLUSH_SECONDS: Final = 3.0
"""How long a router that ends waits for its last spans to be taken."""
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status()
_ERROR: Final = Status(StatusCode.ERROR)

_log = logging.getLogger(__name__)


class QuietExporter(SpanExporter):
    """Says once that spans cannot be exported, and once that they can again."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export; spans that cannot be taken are lost."""
        result = self._exporter.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            _log.warning("traces cannot be sent to %s; they are dropped until it takes them", self._endpoint)
        elif self._failing and not failing:
            _log.info("traces are sent to %s again", self._endpoint)
        self._failing = failing
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()


class Traces:
    """Steps and ending: place a request in its trace, note when it goes to an engine, make its spans."""

    def __init__(
        self, exporter: SpanExporter, resource: Resource, start: TraceStarter, clock: Callable[[], float]
    ) -> None:
        self._exporter = exporter
        self._processor = BatchSpanProcessor(
            exporter, max_queue_size=MAX_QUEUE, max_export_batch_size=_BATCH, schedule_delay_millis=_DELAY_MILLIS
        )
        self._resource = resource
        self._scope = InstrumentationScope("slipway_router", str(resource.attributes.get("service.version", "")))
        self._start = start
        self._clock = clock

    def begin(self, exchange: Exchange) -> None:
        """Step on the header: set ``exchange.trace``, and have the engine continue it rather than the caller's."""
        fields = exchange.headers
        given = fields.get(b"traceparent")
        parent = None if given is None else read_parent(given, fields.get(b"tracestate", b""))
        trace = exchange.trace = self._start(parent)
        fields = {**fields, b"traceparent": trace.traceparent}
        if trace.state:
            fields[b"tracestate"] = trace.state
        else:
            fields.pop(b"tracestate", None)
        exchange.headers = fields

    def sending(self, exchange: Exchange) -> None:
        """Last step on the body: the engine's part begins, if there is one."""
        trace = exchange.trace
        if trace is None or exchange.stored is not None:
            return
        trace.sent = self._clock()
        operation = exchange.route.operation
        if trace.sampled and tells_reasons(operation):
            exchange.meter = FinishReasons(exchange.meter or UsageFinder(), operation)

    def __call__(self, exchange: Exchange) -> None:
        """First ending: hand the spans to the exporting thread."""
        trace = exchange.trace
        if trace is None or not trace.sampled:
            return
        reasons = _reasons(exchange)
        state = TraceState.from_header([trace.state.decode("ascii")]) if trace.state else None
        parent = SpanContext(trace.trace_id, trace.parent_id, True, _SAMPLED, state) if trace.parent_id else None
        server = SpanContext(trace.trace_id, trace.server_id, False, _SAMPLED, state)
        wall = time.time_ns()
        status = (
            _ERROR if exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR or exchange.aborted == "engine" else _UNSET
        )
        if exchange.attempts and trace.sent is not None:
            client = SpanContext(trace.trace_id, trace.client_id, False, _SAMPLED, state)
            seconds = exchange.ended - trace.sent - exchange.held_seconds
            attributes = client_attributes(exchange) | reasons
            self._emit(client_name(exchange), client, server, attributes, SpanKind.CLIENT, status, wall, seconds)
        seconds = exchange.ended - exchange.started
        attributes = server_attributes(exchange) | reasons
        self._emit(server_name(exchange), server, parent, attributes, SpanKind.SERVER, status, wall, seconds)

    def _emit(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Attributes,
        kind: SpanKind,
        status: Status,
        end: int,
        seconds: float,
    ) -> None:
        # Made directly: a tracer does the same with locks and copies, which costs several times as much.
        span = ReadableSpan(
            name,
            context,
            parent,
            self._resource,
            attributes,
            kind=kind,
            status=status,
            start_time=end - int(seconds * 1e9),
            end_time=end,
            instrumentation_scope=self._scope,
        )
        self._processor.on_end(span)

    async def close(self) -> None:
        """Send what is left, for at most `FLUSH_SECONDS`."""
        # A thread of its own, which the process need not wait for at its end.
        last = threading.Thread(target=self._processor.shutdown, name="last-spans", daemon=True)
        last.start()
        await asyncio.get_running_loop().run_in_executor(None, last.join, FLUSH_SECONDS)
        if last.is_alive():
            self._exporter.shutdown()


def _reasons(exchange: Exchange) -> Attributes:
    """Why the texts ended; later endings find the meter that was there before."""
    meter = exchange.meter
    if not isinstance(meter, FinishReasons):
        return {}
    exchange.meter = meter.meter
    return {"gen_ai.response.finish_reasons": meter.reasons} if meter.reasons else {}
