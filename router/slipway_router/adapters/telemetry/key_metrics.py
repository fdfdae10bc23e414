"""Prometheus metrics of callers: how much each key uses. What is exact to the last token is the ledger."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from slipway_router.domain.exchange import Exchange

MOST_KEYS: Final = 1000
"""Keys with labels of their own; further ones are counted together as `OTHER`."""
OTHER: Final = "other"
_LABELS: Final = ("key", "namespace", "model")


class _Use:
    """The numbers of one key and model."""

    __slots__ = ("completion_tokens", "labels", "prompt_tokens", "requests")

    def __init__(self, *labels: str) -> None:
        self.labels = labels
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0


class KeyMetrics(Collector):
    """Ending: counts what known callers asked of known models."""

    def __init__(self) -> None:
        self._uses: dict[tuple[str, str], _Use] = {}
        self._keys: set[str] = set()

    def __call__(self, exchange: Exchange) -> None:
        """Count one finished exchange."""
        model, caller = exchange.model, exchange.caller
        if model is None or caller is None:
            return
        use = self._uses.get((caller.name, model.key)) or self._new(caller.name, model.key, model.namespace, model.name)
        use.requests += 1
        use.prompt_tokens += exchange.prompt_tokens
        use.completion_tokens += exchange.completion_tokens

    def _new(self, key: str, model_key: str, namespace: str, model: str) -> _Use:
        if key not in self._keys:
            if len(self._keys) < MOST_KEYS:
                self._keys.add(key)
            else:
                key = OTHER
        use = self._uses.get((key, model_key))
        if use is None:
            use = self._uses[key, model_key] = _Use(key, namespace, model)
        return use

    def collect(self) -> Iterable[Metric]:
        """The families, as the library wants them."""
        requests = CounterMetricFamily("slipway_router_key_requests", "Requests by key.", labels=_LABELS)
        tokens = CounterMetricFamily(
            "slipway_router_key_tokens", "Tokens by key, as engines counted them.", labels=(*_LABELS, "kind")
        )
        for use in list(self._uses.values()):
            requests.add_metric(use.labels, use.requests)
            tokens.add_metric([*use.labels, "prompt"], use.prompt_tokens)
            tokens.add_metric([*use.labels, "completion"], use.completion_tokens)
        return (requests, tokens)
