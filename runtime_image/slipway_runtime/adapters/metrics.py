"""The runtime's own metrics, ``slipway_runtime_*``, in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from slipway_runtime.domain.phases import Phase
from slipway_runtime.domain.state import StateReport

Family = GaugeMetricFamily | CounterMetricFamily


class _ReportCollector(Collector):
    def __init__(self, report: StateReport) -> None:
        self._report = report

    def collect(self) -> Iterator[Family]:
        report = self._report
        yield GaugeMetricFamily(
            "slipway_runtime_in_flight", "Requests the engine works on or holds in its queue.", value=report.in_flight
        )
        phase = GaugeMetricFamily("slipway_runtime_phase", "1 for the phase the model is in.", labels=["phase"])
        seconds = GaugeMetricFamily(
            "slipway_runtime_phase_seconds", "Seconds the model has spent in each phase.", labels=["phase"]
        )
        for known in Phase:
            phase.add_metric([known.value], float(report.phase is known))
            seconds.add_metric([known.value], report.phase_seconds.get(known, 0.0))
        yield phase
        yield seconds
        yield CounterMetricFamily(
            "slipway_runtime_fetched_bytes", "Bytes of weights fetched since the start.", value=report.bytes_fetched
        )
        info = GaugeMetricFamily(
            "slipway_runtime_info", "Always 1; what runs here.", labels=["model", "engine", "device"]
        )
        info.add_metric([report.model, report.engine, report.device], 1)
        yield info


def runtime_metrics(report: StateReport) -> str:
    """The metrics that follow from ``report``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ReportCollector(report))
    return generate_latest(registry).decode()
