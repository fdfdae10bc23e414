"""The runtime's own metrics, ``slipway_runtime_*``, in Prometheus' text format."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from slipway_runtime.domain.gpus import Gpu
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


class _GpuCollector(Collector):
    def __init__(self, model: str, gpus: Sequence[Gpu]) -> None:
        self._model = model
        self._gpus = gpus

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, text, value in _GPU_METRICS:
            family = GaugeMetricFamily(f"slipway_runtime_gpu_{name}", text, labels=_GPU_LABELS)
            for gpu in self._gpus:
                measured = value(gpu)
                if measured is not None:
                    labels = [self._model, gpu.index, gpu.uuid, gpu.name, "true" if gpu.mig else "false"]
                    family.add_metric(labels, measured)
            if family.samples:
                yield family


_GPU_LABELS = ("model", "device", "uuid", "name", "mig")
_GPU_METRICS: tuple[tuple[str, str, Callable[[Gpu], float | None]], ...] = (
    ("utilization_ratio", "Share of time in which a kernel ran; not told of MIG devices.", lambda gpu: gpu.utilization),
    ("memory_used_bytes", "Memory in use, by whomever.", lambda gpu: gpu.memory_used),
    ("memory_total_bytes", "Memory of the device.", lambda gpu: gpu.memory_total),
    ("temperature_celsius", "Temperature of the GPU.", lambda gpu: gpu.temperature),
    ("power_watts", "Power that the GPU draws.", lambda gpu: gpu.power),
)


def runtime_metrics(report: StateReport, gpus: Sequence[Gpu] = ()) -> str:
    """The metrics that follow from ``report``, and those of ``gpus``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ReportCollector(report))
    registry.register(_GpuCollector(report.model, gpus))
    return generate_latest(registry).decode()
