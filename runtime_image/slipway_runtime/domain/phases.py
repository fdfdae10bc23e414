"""The phases of a model's life and the time each took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Phase(StrEnum):
    """Where a model is between its weights' source and its end."""

    FETCHING = "fetching"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


_NEXT: Final[Mapping[Phase, frozenset[Phase]]] = MappingProxyType(
    {
        Phase.FETCHING: frozenset({Phase.LOADING, Phase.DRAINING, Phase.FAILED}),
        Phase.LOADING: frozenset({Phase.WARMING, Phase.DRAINING, Phase.FAILED}),
        Phase.WARMING: frozenset({Phase.READY, Phase.DRAINING, Phase.FAILED}),
        Phase.READY: frozenset({Phase.DRAINING, Phase.FAILED}),
        Phase.DRAINING: frozenset({Phase.FAILED}),
        Phase.FAILED: frozenset(),
    }
)


@dataclass(frozen=True)
class Timeline:
    """The current phase, since when, and the seconds spent in earlier ones. Times are of a monotonic clock."""

    since: float
    phase: Phase = Phase.FETCHING
    spent: Mapping[Phase, float] = field(default_factory=lambda: MappingProxyType({}))

    def enter(self, phase: Phase, now: float) -> "Timeline":
        """The timeline after ``phase`` began at ``now``. Raises ValueError when ``phase`` cannot follow."""
        if phase not in _NEXT[self.phase]:
            raise ValueError(f"phase {phase} cannot follow {self.phase}")
        return Timeline(since=now, phase=phase, spent=MappingProxyType(self.seconds(now)))

    def seconds(self, now: float) -> dict[Phase, float]:
        """Seconds in each phase so far, the current one included."""
        return {**self.spent, self.phase: max(0.0, now - self.since)}
