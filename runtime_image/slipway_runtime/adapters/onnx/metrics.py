"""Metrics of the ONNX engine: its own, and beside them those of text-embeddings-inference under their names."""

import math
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_BOUNDS: Final = Histogram.DEFAULT_BUCKETS
_SUBJECTS: Final = ("embed", "predict")
_PARTS: Final = ("", "tokenization_", "queue_", "inference_")
_POWERS_OF_TWO: Final = tuple(2**power for power in range(15))


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the seconds of one request went."""

    tokenization: float = 0.0
    queue: float = 0.0
    inference: float = 0.0


class BatchMetrics:
    """What batches the engine runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._queued = Gauge("slipway_onnx_queued_tokens", "Tokens that wait.", registry=registry)
        self._inference_seconds = Histogram(
            "slipway_onnx_inference_seconds", "Duration of one batch.", registry=registry, buckets=_SECONDS
        )
        self._sequences = Histogram(
            "slipway_onnx_batch_sequences", "Sequences in one batch.", registry=registry, buckets=_SIZES
        )
        self._tokens = Counter("slipway_onnx_tokens", "Tokens computed, without padding.", registry=registry)
        self._padding = Counter("slipway_onnx_padding_tokens", "Tokens computed for nothing.", registry=registry)
        self._te_size = Histogram(
            "te_batch_next_size", "Sequences in one batch.", registry=registry, buckets=_POWERS_OF_TWO
        )
        self._te_tokens = Histogram(
            "te_batch_next_tokens", "Tokens in one batch.", registry=registry, buckets=_POWERS_OF_TWO
        )
        self._te_queue = Gauge("te_queue_size", "Sequences that wait.", registry=registry)

    def queued(self, sequences: int, tokens: int) -> None:
        """What waits now."""
        self._queued.set(tokens)
        self._te_queue.set(sequences)

    def ran(self, lengths: Sequence[int], seconds: float) -> None:
        """Count one batch of sequences of ``lengths`` tokens."""
        tokens = sum(lengths)
        self._inference_seconds.observe(seconds)
        self._sequences.observe(len(lengths))
        self._tokens.inc(tokens)
        self._padding.inc(max(lengths) * len(lengths) - tokens)
        self._te_size.observe(len(lengths))
        self._te_tokens.observe(tokens)


class RequestMetrics:
    """What text-embeddings-inference counts of requests, under the names of its dashboards."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts = _PlainCounters()
        registry.register(self._counts)
        self._lengths = Histogram(
            "te_request_input_length", "Tokens of one input.", registry=registry, buckets=_POWERS_OF_TWO
        )
        self._durations = _Durations()
        registry.register(self._durations)

    def began(self, subject: str, inputs: int) -> None:
        """A request of ``subject``, embed or predict, has come."""
        self._counts.add("te_request_count", method=_method(inputs))
        self._counts.add(f"te_{subject}_count", inputs)

    def succeeded(self, subject: str, lengths: Sequence[int], timing: Timing, seconds: float) -> None:
        """It was computed."""
        self._counts.add("te_request_success", method=_method(len(lengths)))
        self._counts.add(f"te_{subject}_success", len(lengths))
        for length in lengths:
            self._lengths.observe(length)
        self._durations.add(subject, (seconds, timing.tokenization, timing.queue, timing.inference))

    def failed(self, cause: str) -> None:
        """It was refused or failed."""
        self._counts.add("te_request_failure", err=cause)


def _method(inputs: int) -> str:
    return "single" if inputs == 1 else "batch"


class _Durations(Collector):
    """Histograms of the seconds that requests and their parts took, of each subject and of all together.

    They are added up when they are asked for: several for every request would cost more than its HTTP.
    """

    def __init__(self) -> None:
        self._counts = {(subject, part): [0] * len(_BOUNDS) for subject in _SUBJECTS for part in _PARTS}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def add(self, subject: str, seconds: Sequence[float]) -> None:
        """Count one request: its whole duration and its parts', in the order of ``_PARTS``. For one thread only."""
        for part, value in zip(_PARTS, seconds, strict=True):
            self._counts[subject, part][bisect_left(_BOUNDS, value)] += 1
            self._sums[subject, part] += value

    def collect(self) -> Iterator[Metric]:
        """All of them, also those of nothing."""
        for subject in ("request", *_SUBJECTS):
            parts_of = _SUBJECTS if subject == "request" else (subject,)
            for part in _PARTS:
                counts = [self._counts[one, part] for one in parts_of]
                totals = accumulate(map(sum, zip(*counts, strict=True)))
                buckets = [
                    ("+Inf" if bound == math.inf else str(bound), total)
                    for bound, total in zip(_BOUNDS, totals, strict=True)
                ]
                seconds = sum(self._sums[one, part] for one in parts_of)
                name, help_ = f"te_{subject}_{part}duration", f"Seconds of one {subject} ({part}…)."
                yield HistogramMetricFamily(name, help_, buckets, seconds)


class _PlainCounters(Collector):
    """Counters whose names do not end in ``_total``, which the client's own would add."""

    def __init__(self) -> None:
        self._values: Tally[tuple[str, tuple[tuple[str, str], ...]]] = Tally()

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Count ``amount`` more. One thread only may call it."""
        self._values[name, tuple(labels.items())] += amount

    def collect(self) -> Iterator[Metric]:
        """The counters that have counted, ``unknown`` by type: a counter's name would have to end in ``_total``."""
        families: dict[str, Metric] = {}
        for (name, labels), value in sorted(self._values.copy().items()):
            family = families.setdefault(name, Metric(name, "As text-embeddings-inference counts it.", "unknown"))
            family.add_sample(name, dict(labels), value)
        yield from families.values()
