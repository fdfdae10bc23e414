"""Prometheus metrics of the router."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from slipway_router.domain.balancing import Balancer
from slipway_router.domain.catalogue import CatalogueStore, Model
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.waiting import WaitingRoom

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
_MODEL: Final = ("namespace", "model")


class _Now(Collector):
    """What can be read off at any time."""

    def __init__(self, store: CatalogueStore, balancer: Balancer, room: WaitingRoom) -> None:
        self._values: tuple[tuple[str, str, Callable[[Model], int]], ...] = (
            ("slipway_router_in_flight_requests", "Requests that replicas work on.", balancer.in_flight),
            (
                "slipway_router_waiting_requests",
                "Requests that wait for the model to wake.",
                lambda model: room.waiting(model.key),
            ),
            ("slipway_router_endpoints", "Replicas that take requests.", lambda model: len(model.endpoints)),
        )
        self._store = store

    def collect(self) -> Iterable[Metric]:
        """One gauge per value, one sample per model."""
        for name, text, read in self._values:
            family = GaugeMetricFamily(name, text, labels=_MODEL)
            for model in self._store.current.models:
                family.add_metric([model.namespace, model.name], read(model))
            yield family


class RequestMetrics:
    """Step: counts requests. Models' names become labels, callers' words never do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        by_route = (*_MODEL, "route")
        self._requests = Counter(
            "slipway_router_requests", "Requests by status.", (*by_route, "status"), registry=registry
        )
        self._duration = Histogram(
            "slipway_router_request_duration_seconds",
            "From the header of a request to the end of its answer.",
            by_route,
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_byte = Histogram(
            "slipway_router_time_to_first_byte_seconds",
            "From the header of a request to the first byte of the engine's answer.",
            by_route,
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "slipway_router_tokens", "Tokens as engines counted them.", (*_MODEL, "kind"), registry=registry
        )
        self._retries = Counter("slipway_router_retries", "Further tries.", _MODEL, registry=registry)
        self._aborted = Counter(
            "slipway_router_aborted",
            "Answers that did not end well, by who broke them off.",
            (*_MODEL, "by"),
            registry=registry,
        )
        self._bound: dict[tuple[str, str, str], tuple[Histogram, Histogram]] = {}
        self._token_pairs: dict[tuple[str, str], tuple[Counter, Counter]] = {}
        self._counters: dict[tuple[str, str, str, int], Counter] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Count one finished exchange."""
        model = exchange.model
        namespace, name = (model.namespace, model.name) if model is not None else ("", "")
        route = exchange.route.name
        status = (namespace, name, route, exchange.status)
        counter = self._counters.get(status)
        if counter is None:
            counter = self._counters[status] = self._requests.labels(namespace, name, route, str(exchange.status))
        counter.inc()
        duration, first_byte = self._histograms(namespace, name, route)
        duration.observe(exchange.ended - exchange.started)
        if exchange.first_byte is not None:
            first_byte.observe(exchange.first_byte - exchange.started)
        if exchange.prompt_tokens or exchange.completion_tokens:
            prompt, completion = self._token_counters(namespace, name)
            prompt.inc(exchange.prompt_tokens)
            completion.inc(exchange.completion_tokens)
        if exchange.attempts > 1:
            self._retries.labels(namespace, name).inc(exchange.attempts - 1)
        if exchange.aborted:
            self._aborted.labels(namespace, name, exchange.aborted).inc()

    def _token_counters(self, namespace: str, name: str) -> tuple[Counter, Counter]:
        bound = self._token_pairs.get((namespace, name))
        if bound is None:
            bound = (self._tokens.labels(namespace, name, "prompt"), self._tokens.labels(namespace, name, "completion"))
            self._token_pairs[namespace, name] = bound
        return bound

    def _histograms(self, namespace: str, name: str, route: str) -> tuple[Histogram, Histogram]:
        key = (namespace, name, route)
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = (self._duration.labels(*key), self._first_byte.labels(*key))
        return bound


def new_registry(store: CatalogueStore, balancer: Balancer, room: WaitingRoom) -> CollectorRegistry:
    """A registry with the gauges of one router."""
    registry = CollectorRegistry()
    registry.register(_Now(store, balancer, room))
    return registry


def synced_gauge(registry: CollectorRegistry, synced: Callable[[], bool]) -> None:
    """Add the gauge that says whether the first full picture of the cluster is there."""
    gauge = Gauge("slipway_router_synced", "1 when the router knows its models and keys.", registry=registry)
    gauge.set_function(lambda: float(synced()))
