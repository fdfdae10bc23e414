"""The router's Prometheus metrics as plain numbers by model."""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry

_REQUESTS: Final = "slipway_router_requests_total"
_TOKENS: Final = "slipway_router_tokens_total"
_BUCKETS: Final = "slipway_router_request_duration_seconds_bucket"
_SECONDS: Final = "slipway_router_request_duration_seconds_sum"
_CACHE: Final = {f"slipway_router_cache_{name}_total": name for name in ("hits", "misses", "stores")}
_FIRST_ERROR: Final = 400


class _Numbers:
    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.tokens = {"prompt": 0, "completion": 0}
        self.cache = {"hits": 0, "misses": 0, "stores": 0}
        self.seconds = 0.0
        self.buckets: dict[float, int] = {}

    def add(self, name: str, labels: Mapping[str, str], value: float) -> None:
        if name == _REQUESTS:
            self.requests += int(value)
            self.errors += int(value) if int(labels["status"]) >= _FIRST_ERROR else 0
        elif name == _TOKENS:
            self.tokens[labels["kind"]] += int(value)
        elif name == _SECONDS:
            self.seconds += value
        elif name == _BUCKETS:
            bound = float(labels["le"])
            self.buckets[bound] = self.buckets.get(bound, 0) + int(value)
        elif name in _CACHE:
            self.cache[_CACHE[name]] += int(value)

    def latency(self) -> dict[str, float]:
        mean = self.seconds / self.requests if self.requests else 0.0
        return {"mean": mean, "p50": quantile(self.buckets, 0.5), "p95": quantile(self.buckets, 0.95)}


def quantile(buckets: Mapping[float, int], share: float) -> float:
    """Estimated from cumulative counts by upper bound, as Prometheus's ``histogram_quantile`` does; 0 without any."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if not total:
        return 0.0
    rank = share * total
    below, before = 0.0, 0
    for bound in bounds:
        if buckets[bound] >= rank:
            if bound == float("inf"):
                return below  # Nothing is known beyond the last bound.
            within = buckets[bound] - before
            return below + (bound - below) * (rank - before) / within if within else bound
        below, before = bound, buckets[bound]
    return below


def numbers_of(registry: CollectorRegistry) -> list[dict[str, Any]]:
    """What each model did since the router's start; requests that named no model are in none."""
    found: dict[tuple[str, str], _Numbers] = {}
    for family in registry.collect():
        for sample in family.samples:
            model = sample.labels.get("model")
            if model and "key" not in sample.labels:
                key = (sample.labels.get("namespace", ""), model)
                found.setdefault(key, _Numbers()).add(sample.name, sample.labels, sample.value)
    return [
        {
            "namespace": namespace,
            "model": model,
            "requests": numbers.requests,
            "errors": numbers.errors,
            "prompt_tokens": numbers.tokens["prompt"],
            "completion_tokens": numbers.tokens["completion"],
            "latency": numbers.latency(),
            "cache": numbers.cache,
        }
        for (namespace, model), numbers in sorted(found.items())
    ]
