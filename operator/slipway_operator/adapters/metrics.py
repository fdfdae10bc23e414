"""The operator's Prometheus metrics."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
_START_SECONDS: Final = (0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1800)


class Metrics:
    """Counts of one operator process; also what its work queue reports to."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._depth = Gauge("slipway_operator_queue_keys", "Keys that wait for a worker.", registry=self._registry)
        self._waited = Histogram(
            "slipway_operator_queue_wait_seconds",
            "Time from a key's first change to the start of its pass.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._passes = Histogram(
            "slipway_operator_pass_seconds",
            "Duration of reconcile passes by result.",
            ["result"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._writes = Counter(
            "slipway_operator_api_writes",
            "Writes to the API server by verb, kind and result: ok, terminating (the namespace) or the HTTP status.",
            ["verb", "kind", "result"],
            registry=self._registry,
        )
        self._leader = Gauge("slipway_operator_leader", "1 while it holds the Lease.", registry=self._registry)
        self._last_event = Gauge(
            "slipway_operator_last_watch_event_timestamp_seconds",
            "Unix time of the last event from a watch.",
            registry=self._registry,
        )

        self._starts = Histogram(
            "slipway_cold_start_seconds",
            "Duration of starts of pods by phase: scheduled, pulled, fetched, loaded, warmed, and their total.",
            ["phase"],
            buckets=_START_SECONDS,
            registry=self._registry,
        )

    def depth(self, keys: int) -> None:
        """``keys`` now wait for a worker."""
        self._depth.set(keys)

    def waited(self, seconds: float) -> None:
        """A key waited so long for its worker."""
        self._waited.observe(seconds)

    def worked(self, seconds: float, error: Exception | None) -> None:
        """A pass took so long and ended so."""
        self._passes.labels("ok" if error is None else "error").observe(seconds)

    def wrote(self, verb: str, kind: str, result: str) -> None:
        """A write was answered."""
        self._writes.labels(verb, kind, result).inc()

    def started(self, phase: str, seconds: float) -> None:
        """A pod came up, and a phase of that took so long."""
        self._starts.labels(phase).observe(seconds)

    def leading(self, leader: bool) -> None:
        """Whether this replica acts."""
        self._leader.set(leader)

    def watch_event(self) -> None:
        """A watch delivered something."""
        self._last_event.set_to_current_time()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
