"""Which models are used now, and when each was used last."""

from collections import Counter
from collections.abc import Callable

from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.catalogue import Model


class ModelActivity:
    """Follows requests that run or wait. An `Observer`. ``name_of`` names a model; None: it is of no interest."""

    def __init__(self, clock: Callable[[], float], name_of: Callable[[Model], str | None]) -> None:
        self._clock = clock
        self._name_of = name_of
        self._under_way: dict[int, str] = {}
        self._active: Counter[str] = Counter()
        self._last_end: dict[str, float] = {}

    def begun(self, exchange: Exchange) -> None:
        """Note a request that runs or waits."""
        name = self._name_of(exchange.model) if exchange.model is not None else None
        if name is not None:
            self._under_way[id(exchange)] = name
            self._active[name] += 1

    def ended(self, exchange: Exchange) -> None:
        """Note its end; nothing of a request that never began."""
        name = self._under_way.pop(id(exchange), None)
        if name is not None:
            self._active[name] -= 1
            if not self._active[name]:
                del self._active[name]
            self._last_end[name] = self._clock()

    def active(self, name: str) -> int:
        """Requests that run or wait."""
        return self._active[name]

    def last_active(self, name: str) -> float | None:
        """The time by the clock, while a request runs or waits; after that, when the last one ended."""
        return self._clock() if self._active[name] else self._last_end.get(name)
