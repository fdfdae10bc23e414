"""What a router tells the cluster of the use of models that may sleep (``status.demand``), and when.

The operator wakes models and puts them to sleep by it. Other routers write the same fields, so each tells only what is
news: a later use than any that is known, or that requests wait.
"""

from dataclasses import dataclass
from typing import Final

from slipway_router.domain.models.catalogue import Model

LONGEST_INTERVAL_SECONDS: Final = 10.0
"""Between two words about the same model, but for the first one of a request that waits."""
SHORTEST_INTERVAL_SECONDS: Final = 1.0
_WORDS_PER_IDLE_TIME: Final = 4
"""A model that is used must not seem idle because its router has not told of it for a while."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What there is to tell of one model. Times are in seconds since 1970."""

    last_active: float
    waiting: int


class DemandBook:
    """Remembers what was told."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, Demand]] = {}

    def due(self, model: Model, active: int, last_active: float | None, now: float) -> Demand | None:
        """What to tell of ``model`` now, if anything.

        ``active`` is how many of its requests run or wait, ``last_active`` when one last did.
        """
        if model.sleep_after is None or last_active is None:
            return None
        demand = Demand(last_active, 0 if model.endpoints else active)
        at, told = self._told.get(model.key, (0.0, Demand(0.0, 0)))
        if demand.waiting and not told.waiting:
            return demand
        interval = interval_of(model.sleep_after)
        if now - at < interval:
            return None
        if demand.waiting or told.waiting:
            return demand
        news_since = now - interval if active else last_active
        return demand if max(model.last_active, told.last_active) < news_since else None

    def told(self, model: Model, demand: Demand, now: float) -> None:
        """``demand`` was told."""
        self._told[model.key] = now, demand

    def keep(self, keys: set[str]) -> None:
        """Forget all models but these."""
        for key in self._told.keys() - keys:
            del self._told[key]


def interval_of(sleep_after: float) -> float:
    """Seconds between two words about a model that may sleep after so many."""
    return min(max(sleep_after / _WORDS_PER_IDLE_TIME, SHORTEST_INTERVAL_SECONDS), LONGEST_INTERVAL_SECONDS)
