"""The metrics that autoscalers can ask for: stable names of ours, and where each engine tells its value.

``slipway_runtime_*`` and ``slipway_engine_*`` are the runtime's, ``vllm:*`` vLLM's, ``llamacpp:*`` llama.cpp's and
``te_*`` those of text-embeddings-inference, like which the ONNX engine counts. All are read from ``/metrics`` of a
pod's control port: by the operator itself, or by a Prometheus that prometheus-adapter or KEDA asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from slipway_crds.serving_spec import MetricType
from slipway_operator.domain.metrics_api.measures import (
    History,
    Measure,
    gauges,
    mean_of_histogram,
    part,
    rate,
    share,
)


class Aggregate(Enum):
    """What the value of a whole model is, made from those of its replicas."""

    SUM = "sum"
    MEAN = "mean"

    def of(self, values: Sequence[float]) -> float:
        """The model's value; ``values`` has at least one."""
        return sum(values) if self is Aggregate.SUM else sum(values) / len(values)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One metric."""

    name: str
    type: MetricType
    """What a spec calls it."""
    meaning: str
    unit: str
    aggregate: Aggregate
    measure: Measure
    target_thousandths: bool = False
    """Whether a spec has its target in thousandths of ``unit``."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of all series that are read for it."""
        return self.measure.sources

    def read(self, history: History) -> float | None:
        """The value by snapshots of one pod; None when they do not tell it."""
        return self.measure.read(history)


METRICS: Final = (
    MetricDefinition(
        "slipway_gpu_utilization_percent",
        "gpuUtilization",
        "share of time in which a kernel ran, mean over the GPUs of a replica; MIG devices do not tell it",
        "percent",
        Aggregate.MEAN,
        share("slipway_runtime_gpu_utilization_ratio"),
    ),
    MetricDefinition(
        "slipway_gpu_memory_percent",
        "gpuMemory",
        "GPU memory in use, of all GPUs of a replica together",
        "percent",
        Aggregate.MEAN,
        part("slipway_runtime_gpu_memory_used_bytes", "slipway_runtime_gpu_memory_total_bytes"),
    ),
    MetricDefinition(
        "slipway_in_flight_requests",
        "inFlight",
        "requests in the engine, at work or in its queue",
        "requests",
        Aggregate.SUM,
        gauges("slipway_runtime_in_flight"),
    ),
    MetricDefinition(
        "slipway_queue_length",
        "queueLength",
        "what waits in the engine: requests, of embedding engines inputs, of image engines pictures",
        "requests",
        Aggregate.SUM,
        gauges(
            "vllm:num_requests_waiting",
            "llamacpp:requests_deferred",
            "te_queue_size",
            "slipway_runtime_images_queued",
            "slipway_engine_requests_waiting",
        ),
    ),
    MetricDefinition(
        "slipway_queue_wait_seconds",
        "queueWait",
        "mean wait in the engine's queue of requests that left it within the window",
        "seconds",
        Aggregate.MEAN,
        mean_of_histogram("vllm:request_queue_time_seconds", "te_request_queue_duration"),
        target_thousandths=True,
    ),
    MetricDefinition(
        "slipway_tokens_per_second",
        "tokensPerSecond",
        "tokens written per second; of embedding engines tokens computed per second",
        "tokens/s",
        Aggregate.SUM,
        rate(
            "vllm:generation_tokens_total",
            "llamacpp:tokens_predicted_total",
            "te_batch_next_tokens_sum",
            "dummy_tokens_total",
        ),
    ),
    MetricDefinition(
        "slipway_engine_cache_percent",
        "cacheUsage",
        "part of the engine's key-value cache that is in use; vLLM tells it",
        "percent",
        Aggregate.MEAN,
        # Before 0.10 vLLM called it so.
        share("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    ),
)
"""Every metric. Names and units do not change; sources follow the engines."""

BY_NAME: Final[Mapping[str, MetricDefinition]] = {metric.name: metric for metric in METRICS}
BY_TYPE: Final[Mapping[str, MetricDefinition]] = {metric.type: metric for metric in METRICS}
SOURCES: Final = frozenset(source for metric in METRICS for source in metric.sources)
"""Every series that is read of a pod."""
