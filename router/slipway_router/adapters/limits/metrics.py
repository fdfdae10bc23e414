"""Prometheus metrics of the limits. Nothing here is on the way of a request that is admitted."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from slipway_router.domain.exchange import Exchange
from slipway_router.domain.limits.verdict import LimitKind

_BUCKETS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Seconds."""
_MOST_KEYS: Final = 1000
"""Callers with labels of their own; more are counted together as ``other``."""


class LimitMetrics(Collector):
    """Counts what limits do, and how their store does."""

    def __init__(self, *, with_store: bool = True) -> None:
        """Without a store, its metrics are left out."""
        self._with_store = with_store
        self._keys: set[str] = set()
        self._limited = Counter(
            "slipway_router_limited_requests",
            "Requests that a limit refused.",
            ("namespace", "model", "key", "limit"),
            registry=None,
        )
        self._uncounted = Counter(
            "slipway_router_uncounted_requests",
            "Requests, served or refused as configured, while the store of limits did not answer.",
            registry=None,
        )
        self._errors = Counter(
            "slipway_router_limit_store_errors", "Failed calls of the store of limits.", ("reason",), registry=None
        )
        self._dropped = Counter(
            "slipway_router_limit_store_dropped_settlements",
            "Corrections of what was reserved that never reached the store of limits.",
            registry=None,
        )
        self._up = Gauge("slipway_router_limit_store_up", "1 while the store of limits answers.", registry=None)
        self._up.set(1)
        self._seconds = Histogram(
            "slipway_router_limit_store_round_trip_seconds",
            "Round trips to the store of limits; one carries the calls of many requests.",
            buckets=_BUCKETS,
            registry=None,
        )

    def collect(self) -> Iterable[Metric]:
        """The families, as the library wants them."""
        of_store = (self._uncounted, self._errors, self._dropped, self._up, self._seconds)
        parts = (self._limited, *(of_store if self._with_store else ()))
        return [family for part in parts for family in part.collect()]

    def refused(self, exchange: Exchange, kind: LimitKind) -> None:
        """A request of a known caller was refused."""
        model, caller = exchange.model, exchange.caller
        namespace, name = (model.namespace, model.name) if model is not None else ("", "")
        key = caller.name if caller is not None else ""
        if key not in self._keys:
            if len(self._keys) < _MOST_KEYS:
                self._keys.add(key)
            else:
                key = "other"
        self._limited.labels(namespace, name, key, kind.value).inc()

    def uncounted(self) -> None:
        """A request could not be counted."""
        self._uncounted.inc()

    def round_trip(self, seconds: float) -> None:
        """A round trip to the store took so long."""
        self._seconds.observe(seconds)

    def failed(self, reason: str) -> None:
        """A call of the store failed, or a round trip with all calls in it."""
        self._errors.labels(reason).inc()

    def dropped(self, count: int) -> None:
        """So many corrections were lost."""
        self._dropped.inc(count)

    def reachable(self, is_so: bool) -> None:
        """The store is lost, or back."""
        self._up.set(1 if is_so else 0)
