"""Metrics of the ONNX engine."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class BatchMetrics:
    """What batches the engine runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queued_tokens = Gauge("slipway_onnx_queued_tokens", "Tokens that wait.", registry=registry)
        self.inference_seconds = Histogram(
            "slipway_onnx_inference_seconds", "Duration of one batch.", registry=registry, buckets=_SECONDS
        )
        self._sequences = Histogram(
            "slipway_onnx_batch_sequences", "Sequences in one batch.", registry=registry, buckets=_SIZES
        )
        self._tokens = Counter("slipway_onnx_tokens", "Tokens computed, without padding.", registry=registry)
        self._padding = Counter("slipway_onnx_padding_tokens", "Tokens computed for nothing.", registry=registry)

    def observe(self, lengths: Sequence[int]) -> None:
        """Count one batch of sequences of ``lengths`` tokens."""
        tokens = sum(lengths)
        self._sequences.observe(len(lengths))
        self._tokens.inc(tokens)
        self._padding.inc(max(lengths) * len(lengths) - tokens)
