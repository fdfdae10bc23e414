"""OpenTelemetry spans of in-process engines: one per request, which continues the router's.

Switched on by OpenTelemetry's own variables. Names are those of its conventions for HTTP servers and generative AI;
what was said is in none of them.
"""

import logging
import threading
from collections.abc import Mapping
from http import HTTPStatus
from importlib.metadata import version
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE_NAME: Final = "slipway-runtime"
_FLUSH_SECONDS: Final = 3.0
_OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/v1/chat/completions": "chat",
        "/v1/completions": "text_completion",
        "/v1/embeddings": "embeddings",
        "/embed": "embeddings",
        "/embed_all": "embeddings",
        "/v1/rerank": "rerank",
        "/rerank": "rerank",
        "/classify": "classify",
        "/predict": "classify",
        "/v1/images/generations": "generate_content",
    }
)
"""Paths that ask for inference, and the conventions' names of what they ask for. Other paths have no spans."""


def traces_endpoint(environ: Mapping[str, str]) -> str:
    """Where spans go, by OTLP over HTTP; empty if the environment names no collector."""
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    return environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "") or (f"{base}/v1/traces" if base else "")


class RequestSpans:
    """Makes a span for each request of an ASGI application and sends it to a collector."""

    def __init__(self, provider: "TracerProvider", attributes: Mapping[str, str]) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("slipway_runtime", version("slipway"))
        self._extract = TraceContextTextMapPropagator().extract
        self._attributes = dict(attributes)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """``app`` with spans."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            operation = _OPERATIONS.get(scope.get("path", ""))
            if scope["type"] != "http" or operation is None:
                await app(scope, receive, send)
            else:
                await self._follow(operation, app, scope, receive, send)

        return traced

    async def _follow(self, operation: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        from opentelemetry.trace import SpanKind, StatusCode

        # No more than one field of a name is valid, so that the last one may be taken.
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        span = self._tracer.start_span(
            f"{scope['method']} {scope['path']}",
            self._extract(carrier),
            SpanKind.SERVER,
            {
                **self._attributes,
                "gen_ai.operation.name": operation,
                "http.request.method": scope["method"],
                "http.route": scope["path"],
            },
        )

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_status(StatusCode.ERROR)
                    span.set_attribute("error.type", str(message["status"]))
            await send(message)

        try:
            await app(scope, receive, noted)
        finally:
            span.end()

    def close(self) -> None:
        """Send what is left, for at most a few seconds."""
        last = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(_FLUSH_SECONDS)


def request_spans(environ: Mapping[str, str], attributes: Mapping[str, str]) -> RequestSpans | None:
    """Spans with ``attributes`` on each, if the environment names a collector; None if it does not."""
    endpoint = traces_endpoint(environ)
    if not endpoint:
        return None
    # Only now: to import them takes time and memory.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # A collector that is away would fill the log.
    name = environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME
    resource = Resource.create({"service.name": name, "service.version": version("slipway")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint), schedule_delay_millis=1000))
    return RequestSpans(provider, attributes)
