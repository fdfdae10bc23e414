"""Prometheus metrics of the router.

The numbers of requests are kept in plain attributes and turned into Prometheus's families when they are scraped: the
client library's own counters and histograms take a lock for each, five times per request.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.balancing import Balancer
from slipway_router.domain.models.catalogue import CatalogueStore, Model
from slipway_router.domain.models.waiting import WaitingRoom
from slipway_router.domain.requests.bodies import Bodies

BUCKETS: Final[Sequence[float]] = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    600.0,
)
"""Upper bounds of the histograms, in seconds."""
_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")
_MODEL: Final = ("namespace", "model")
_ROUTE: Final = (*_MODEL, "route")


class _Times:
    """A histogram of seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        return list(zip(_BOUNDS, map(float, accumulate(self.counts)), strict=True))


class _Key(NamedTuple):
    namespace: str
    model: str
    route: str


class _Series:
    """The numbers of one model and route."""

    __slots__ = (
        "aborted",
        "completion_tokens",
        "duration",
        "errors",
        "first_byte",
        "first_token",
        "prompt_tokens",
        "retries",
        "statuses",
    )

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.duration = _Times()
        self.first_byte = _Times()
        self.first_token = _Times()
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.retries = 0
        self.aborted: dict[str, int] = {}
        self.errors: dict[str, int] = {}


class RequestMetrics(Collector):
    """Step: counts requests. Models' names become labels, callers' words never do."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], _Series] = {}
        self._keys: dict[tuple[str, str], _Key] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Count one finished exchange."""
        model = exchange.model
        name = (model.key if model is not None else "", exchange.route.name)
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = _Series()
            namespace, plain = (model.namespace, model.name) if model is not None else ("", "")
            self._keys[name] = _Key(namespace, plain, exchange.route.name)
        series.statuses[exchange.status] = series.statuses.get(exchange.status, 0) + 1
        series.duration.add(exchange.ended - exchange.started)
        if exchange.first_byte is not None:
            series.first_byte.add(exchange.first_byte - exchange.started)
            if exchange.stream:
                series.first_token.add(exchange.first_byte - exchange.started)
        series.prompt_tokens += exchange.prompt_tokens
        series.completion_tokens += exchange.completion_tokens
        if exchange.attempts > 1:
            series.retries += exchange.attempts - 1
        if exchange.aborted:
            series.aborted[exchange.aborted] = series.aborted.get(exchange.aborted, 0) + 1
        if exchange.problem is not None:
            code = exchange.problem.code.code
            series.errors[code] = series.errors.get(code, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """The families, as the library wants them."""
        numbers = [(self._keys[name], series) for name, series in list(self._series.items())]
        return (*_counters(numbers), *_histograms(numbers))


def _counters(numbers: Sequence[tuple[_Key, _Series]]) -> Iterable[Metric]:
    requests = CounterMetricFamily("slipway_router_requests", "Requests by status.", labels=(*_ROUTE, "status"))
    tokens = CounterMetricFamily("slipway_router_tokens", "Tokens as engines counted them.", labels=(*_ROUTE, "kind"))
    retries = CounterMetricFamily("slipway_router_retries", "Further tries.", labels=_ROUTE)
    aborted = CounterMetricFamily(
        "slipway_router_aborted", "Answers that did not end well, by who broke them off.", labels=(*_ROUTE, "by")
    )
    errors = CounterMetricFamily(
        "slipway_router_errors", "Requests that ended in an error, by its code.", labels=(*_ROUTE, "code")
    )
    for key, series in numbers:
        for status, count in series.statuses.items():
            requests.add_metric([*key, str(status)], count)
        tokens.add_metric([*key, "prompt"], series.prompt_tokens)
        tokens.add_metric([*key, "completion"], series.completion_tokens)
        retries.add_metric(key, series.retries)
        for culprit, count in series.aborted.items():
            aborted.add_metric([*key, culprit], count)
        for code, count in series.errors.items():
            errors.add_metric([*key, code], count)
    return (requests, tokens, retries, aborted, errors)


def _histograms(numbers: Sequence[tuple[_Key, _Series]]) -> Iterable[Metric]:
    duration = HistogramMetricFamily(
        "slipway_router_request_duration_seconds",
        "From the header of a request to the end of its answer.",
        labels=_ROUTE,
    )
    first_byte = HistogramMetricFamily(
        "slipway_router_time_to_first_byte_seconds",
        "From the header of a request to the first byte of the engine's answer.",
        labels=_ROUTE,
    )
    first_token = HistogramMetricFamily(
        "slipway_router_time_to_first_token_seconds",
        "From the header of a request for a stream to the first event of the engine's answer.",
        labels=_ROUTE,
    )
    for key, series in numbers:
        duration.add_metric(key, series.duration.buckets(), series.duration.total)
        first_byte.add_metric(key, series.first_byte.buckets(), series.first_byte.total)
        first_token.add_metric(key, series.first_token.buckets(), series.first_token.total)
    return (duration, first_byte, first_token)


class CurrentState(Collector):
    """What can be read off at any time."""

    def __init__(
        self, store: CatalogueStore, balancer: Balancer, room: WaitingRoom, bodies: Bodies, synced: Callable[[], bool]
    ) -> None:
        self._store = store
        self._balancer = balancer
        self._bodies = bodies
        self._synced = synced
        self._values: tuple[tuple[str, str, Callable[[Model], int]], ...] = (
            ("slipway_router_in_flight_requests", "Requests that replicas work on.", balancer.in_flight),
            (
                "slipway_router_waiting_requests",
                "Requests that wait for the model to wake.",
                lambda model: room.waiting(model.key),
            ),
            ("slipway_router_endpoints", "Replicas that take requests.", lambda model: len(model.endpoints)),
        )

    def collect(self) -> Iterable[Metric]:
        """One gauge per value, one sample per model."""
        for name, text, read in self._values:
            family = GaugeMetricFamily(name, text, labels=_MODEL)
            for model in self._store.current.models:
                family.add_metric([model.namespace, model.name], read(model))
            yield family
        replicas = GaugeMetricFamily(
            "slipway_router_replica_in_flight_requests",
            "Requests that a replica works on, by its address.",
            labels=(*_MODEL, "endpoint"),
        )
        for model in self._store.current.models:
            for address, requests in self._balancer.by_endpoint(model):
                replicas.add_metric([model.namespace, model.name, address], requests)
        yield replicas
        text = "Bytes of request bodies that are held."
        yield GaugeMetricFamily("slipway_router_buffered_bytes", text, value=float(self._bodies.size))
        text = "1 when the router knows its models and keys."
        yield GaugeMetricFamily("slipway_router_synced", text, value=float(self._synced()))
        build = GaugeMetricFamily(
            "slipway_router_build_info", "1, with what runs as labels.", labels=("version", "python")
        )
        build.add_metric([version("slipway"), platform.python_version()], 1)
        yield build


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """A registry of a router's own, so that several can live in one process."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)  # Memory, processor time and open files, by the names all dashboards know.
    return registry
