"""Puts traces together, if they are wanted."""

import logging
import time
from importlib.metadata import version
from random import Random
from typing import TYPE_CHECKING

from slipway_router.app.options import TelemetryOptions
from slipway_router.domain.tracing import TraceStarter

if TYPE_CHECKING:
    from slipway_router.adapters.telemetry.tracing import Traces


def build_traces(options: TelemetryOptions) -> "Traces | None":
    """Traces to the collector that the options name; None if they name none.

    What OpenTelemetry's own variables say besides (``OTEL_EXPORTER_OTLP_HEADERS``, ``…_TIMEOUT``, ``…_CERTIFICATE``,
    ``OTEL_RESOURCE_ATTRIBUTES``) holds, too.
    """
    if not options.otlp_endpoint:
        return None
    # Only now: to import them takes time and memory.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource

    from slipway_router.adapters.telemetry.tracing import QuietExporter, Traces

    # Each failed try would be several lines; `QuietExporter` says it once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    endpoint = f"{options.otlp_endpoint.rstrip('/')}/v1/traces"
    resource = Resource.create({"service.name": options.service_name, "service.version": version("slipway")})
    exporter = QuietExporter(OTLPSpanExporter(endpoint), endpoint)
    return Traces(exporter, resource, TraceStarter(options.sample_ratio, Random()), time.monotonic)
