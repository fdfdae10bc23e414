"""Prometheus metrics of the answers that are kept."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from slipway_router.adapters.cache.answers import AnswerCache

_MODEL: Final = ("namespace", "model")
_COUNTERS: Final = {
    "hits": "Requests that were answered by a kept answer.",
    "misses": "Requests whose answer could have been kept, and was not there.",
    "stores": "Answers that were kept.",
    "evictions": "Kept answers that went because others needed their place.",
}


class AnswerCacheMetrics(Collector):
    """Reads off what the cache counts."""

    def __init__(self, cache: AnswerCache) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        """Counters by model, and what is kept now."""
        for name, text in _COUNTERS.items():
            family = CounterMetricFamily(f"slipway_router_cache_{name}", text, labels=_MODEL)
            for model, numbers in self._cache.numbers.items():
                family.add_metric(model, getattr(numbers, name))
            yield family
        yield GaugeMetricFamily("slipway_router_cache_entries", "Answers that are kept.", value=len(self._cache))
        text = "Bytes of answers that are kept or recorded."
        yield GaugeMetricFamily("slipway_router_cache_bytes", text, value=self._cache.size)
