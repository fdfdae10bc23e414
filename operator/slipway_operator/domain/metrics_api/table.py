"""The metrics that autoscalers can ask for: stable names of ours, and where each engine tells its value.

``slipway_runtime_*`` and ``slipway_engine_*`` are the runtime's, ``vllm:*`` vLLM's, ``llamacpp:*`` llama.cpp's and
``te_*`` those of text-embeddings-inference, like which the ONNX engine counts. All are read from ``/metrics`` of a
pod's control port.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final

from slipway_operator.domain.metrics_api.exposition import Series

Snapshot = Mapping[str, Series]
"""What one answer of one pod said."""

_PERCENT: Final = 100.0


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
    meaning: str
    unit: str
    aggregate: Aggregate
    sources: tuple[str, ...]
    """Names of all series that are read for it."""
    read: Callable[[Sequence[tuple[float, Snapshot]]], float | None]
    """The value by snapshots of one pod, each with its time in seconds, oldest first; None when they do not tell it."""


_Read = Callable[[Sequence[tuple[float, Snapshot]]], float | None]


def _over_time(now: Callable[[Snapshot], float | None]) -> _Read:
    """The mean over the snapshots of what each tells."""

    def read(history: Sequence[tuple[float, Snapshot]]) -> float | None:
        values = [value for _, snapshot in history if (value := now(snapshot)) is not None]
        return sum(values) / len(values) if values else None

    return read


def _share(*names: str) -> _Read:
    """The first of ``names``, a share of 1, as percent: over GPUs or engine cores their mean."""

    def now(snapshot: Snapshot) -> float | None:
        return next((snapshot[name].mean * _PERCENT for name in names if name in snapshot), None)

    return _over_time(now)


def _part(used: str, whole: str) -> _Read:
    """``used`` of ``whole`` in percent, over all GPUs."""

    def now(snapshot: Snapshot) -> float | None:
        if used not in snapshot or whole not in snapshot or snapshot[whole].total <= 0:
            return None
        return snapshot[used].total / snapshot[whole].total * _PERCENT

    return _over_time(now)


def _gauges(*names: str) -> _Read:
    """The sum of those of ``names`` that are there: a request waits in one queue after the other, never in two."""

    def now(snapshot: Snapshot) -> float | None:
        found = [snapshot[name].total for name in names if name in snapshot]
        return sum(found) if found else None

    return _over_time(now)


def _growth(name: str, history: Sequence[tuple[float, Snapshot]]) -> tuple[float, float] | None:
    """By how much the counter ``name`` grew, and in how many seconds."""
    told = [(when, snapshot[name].total) for when, snapshot in history if name in snapshot]
    if len(told) < 2 or told[-1][0] <= told[0][0]:
        return None
    # A counter falls when its engine starts again: from then on it counts from 0.
    steps = (after - before if after >= before else after for (_, before), (_, after) in pairwise(told))
    return sum(steps), told[-1][0] - told[0][0]


def _rate(*names: str) -> _Read:
    """Growth per second of the first of ``names`` that is there."""

    def read(history: Sequence[tuple[float, Snapshot]]) -> float | None:
        for name in names:
            if (grown := _growth(name, history)) is not None:
                return grown[0] / grown[1]
        return None

    return read


def _mean_of_histogram(*names: str) -> _Read:
    """Mean of what the first of the histograms ``names`` observed between the snapshots; 0 when it observed nothing."""

    def read(history: Sequence[tuple[float, Snapshot]]) -> float | None:
        for name in names:
            seconds, count = _growth(f"{name}_sum", history), _growth(f"{name}_count", history)
            if seconds is not None and count is not None:
                return seconds[0] / count[0] if count[0] > 0 else 0.0
        return None

    return read


_UTILIZATION: Final = "slipway_runtime_gpu_utilization_ratio"
_MEMORY: Final = ("slipway_runtime_gpu_memory_used_bytes", "slipway_runtime_gpu_memory_total_bytes")
_QUEUES: Final = (
    "vllm:num_requests_waiting",
    "llamacpp:requests_deferred",
    "te_queue_size",
    "slipway_runtime_images_queued",
    "slipway_engine_requests_waiting",
)
_WAITS: Final = ("vllm:request_queue_time_seconds", "te_request_queue_duration")
_TOKENS: Final = (
    "vllm:generation_tokens_total",
    "llamacpp:tokens_predicted_total",
    "te_batch_next_tokens_sum",
    "dummy_tokens_total",
)
# Before 0.10 vLLM called it so.
_CACHES: Final = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")

METRICS: Final = (
    MetricDefinition(
        "slipway_gpu_utilization_percent",
        "share of time in which a kernel ran, mean over the GPUs of a replica; MIG devices do not tell it",
        "percent",
        Aggregate.MEAN,
        (_UTILIZATION,),
        _share(_UTILIZATION),
    ),
    MetricDefinition(
        "slipway_gpu_memory_percent",
        "GPU memory in use, of all GPUs of a replica together",
        "percent",
        Aggregate.MEAN,
        _MEMORY,
        _part(*_MEMORY),
    ),
    MetricDefinition(
        "slipway_in_flight_requests",
        "requests in the engine, at work or in its queue",
        "requests",
        Aggregate.SUM,
        ("slipway_runtime_in_flight",),
        _gauges("slipway_runtime_in_flight"),
    ),
    MetricDefinition(
        "slipway_queue_length",
        "what waits in the engine: requests, of embedding engines inputs, of image engines pictures",
        "requests",
        Aggregate.SUM,
        _QUEUES,
        _gauges(*_QUEUES),
    ),
    MetricDefinition(
        "slipway_queue_wait_seconds",
        "mean wait in the engine's queue of requests that left it within the window",
        "seconds",
        Aggregate.MEAN,
        tuple(f"{name}_{part}" for name in _WAITS for part in ("sum", "count")),
        _mean_of_histogram(*_WAITS),
    ),
    MetricDefinition(
        "slipway_tokens_per_second",
        "tokens written per second; of embedding engines tokens computed per second",
        "tokens/s",
        Aggregate.SUM,
        _TOKENS,
        _rate(*_TOKENS),
    ),
    MetricDefinition(
        "slipway_engine_cache_percent",
        "part of the engine's key-value cache that is in use; vLLM tells it",
        "percent",
        Aggregate.MEAN,
        _CACHES,
        _share(*_CACHES),
    ),
)
"""Every metric. Names and units do not change; sources follow the engines."""

BY_NAME: Final[Mapping[str, MetricDefinition]] = {metric.name: metric for metric in METRICS}
SOURCES: Final = frozenset(source for metric in METRICS for source in metric.sources)
"""Every series that is read of a pod."""
