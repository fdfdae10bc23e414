"""The last answers of every pod, and the values that follow from them."""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from slipway_operator.domain.metrics_api.measures import Snapshot
from slipway_operator.domain.metrics_api.selectors import Labels
from slipway_operator.domain.metrics_api.table import MetricDefinition

WINDOW_SECONDS: Final = 15.0
"""Values are of the snapshots of so long: an autoscaler looks every 15 s (kube-controller-manager's default)."""
STALE_SECONDS: Final = 30.0
"""A pod that has not answered for so long has no values any more."""


@dataclass(frozen=True, slots=True)
class Target:
    """A pod that is asked."""

    namespace: str
    name: str
    uid: str
    ip: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one metric of one pod."""

    target: Target
    value: float
    taken: datetime
    """When the newest snapshot was taken."""
    window: float
    """Seconds from the oldest to the newest one that it follows from."""


@dataclass(slots=True)
class _History:
    target: Target
    snapshots: deque[tuple[float, Snapshot]] = field(default_factory=deque)
    taken: datetime | None = None


class Readings:
    """Snapshots by pod, at most those of `WINDOW_SECONDS`. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}

    def keep_only(self, targets: Collection[Target]) -> None:
        """Follow these pods, and forget all others."""
        before = self._histories
        self._histories = {
            target.uid: _History(target, before[target.uid].snapshots, before[target.uid].taken)
            if target.uid in before
            else _History(target)
            for target in targets
        }

    def add(self, target: Target, snapshot: Snapshot, clock: float, taken: datetime) -> None:
        """A pod has answered; nothing when it is not followed any more."""
        history = self._histories.get(target.uid)
        if history is None:
            return
        history.taken = taken
        history.snapshots.append((clock, snapshot))
        # One snapshot before the window stays, so that rates are of the whole of it.
        while len(history.snapshots) > 2 and history.snapshots[1][0] <= clock - WINDOW_SECONDS:
            history.snapshots.popleft()

    def of(self, metric: MetricDefinition, namespace: str, clock: float) -> Iterator[Reading]:
        """The values of ``metric`` in ``namespace``, of pods whose last answer is not too old."""
        for history in self._histories.values():
            if history.target.namespace != namespace or history.taken is None:
                continue
            if clock - history.snapshots[-1][0] > STALE_SECONDS:
                continue
            recent = [item for item in history.snapshots if item[0] > clock - STALE_SECONDS - WINDOW_SECONDS]
            value = metric.read(recent)
            if value is not None:
                yield Reading(history.target, value, history.taken, recent[-1][0] - recent[0][0])
