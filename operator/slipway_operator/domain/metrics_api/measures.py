"""How values follow from series: of the last answers of one pod, and, as PromQL, of what Prometheus has of pods.

In PromQL, gauges are means of a minute and rates of two: Prometheus must scrape pods every 30 seconds or oftener.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from slipway_operator.domain.metrics_api.exposition import Series

Snapshot = Mapping[str, Series]
"""What one answer of one pod said."""
History = Sequence[tuple[float, Snapshot]]
"""Snapshots of one pod, each with its time in seconds, oldest first."""

_PERCENT: Final = 100.0
_MEAN: Final = "1m"
_RATE: Final = "2m"


@dataclass(frozen=True, slots=True)
class Measure:
    """One way from series to a value."""

    sources: tuple[str, ...]
    """Names of all series that are read."""
    read: Callable[[History], float | None]
    """The value of a pod; None when it does not tell it."""
    promql: Callable[[str, str], str]
    """The values of series with label matchers (``namespace="default"``), by labels (``pod``)."""


def share(*names: str) -> Measure:
    """The first of ``names``, a share of 1, as percent: over GPUs or engine cores their mean."""

    def read(history: History) -> float | None:
        told = (_first(names, snapshot) for _, snapshot in history)
        return _mean([series.mean * _PERCENT for series in told if series is not None])

    def promql(matchers: str, by: str) -> str:
        return " or ".join(f"100 * avg by ({by}) ({_over_time(name, matchers)})" for name in names)

    return Measure(names, read, promql)


def part(used: str, whole: str) -> Measure:
    """``used`` of ``whole`` in percent, over all GPUs."""

    def read(history: History) -> float | None:
        told = [snapshot for _, snapshot in history if used in snapshot and whole in snapshot]
        totals = [(snapshot[used].total, snapshot[whole].total) for snapshot in told]
        return _mean([some / everything * _PERCENT for some, everything in totals if everything > 0])

    def promql(matchers: str, by: str) -> str:
        some, everything = (f"sum by ({by}) ({_over_time(name, matchers)})" for name in (used, whole))
        return f"100 * {some} / {everything}"

    return Measure((used, whole), read, promql)


def gauges(*names: str) -> Measure:
    """The sum of those of ``names`` that are there: a request waits in one queue after the other, never in two."""

    def read(history: History) -> float | None:
        found = [[snapshot[name].total for name in names if name in snapshot] for _, snapshot in history]
        return _mean([sum(each) for each in found if each])

    def promql(matchers: str, by: str) -> str:
        if len(names) == 1:
            return f"sum by ({by}) ({_over_time(names[0], matchers)})"
        # Of series of several names no mean over time can be taken at once: it drops the names that keep them apart.
        anyone = f'{{__name__=~"{"|".join(names)}",{matchers}}}'
        return f"avg_over_time(sum by ({by}) ({anyone})[{_MEAN}:5s])"

    return Measure(names, read, promql)


def rate(*names: str) -> Measure:
    """Growth per second of the first of the counters ``names`` that is there."""

    def read(history: History) -> float | None:
        grown = (_growth(name, history) for name in names)
        return next((amount / seconds for amount, seconds in filter(None, grown)), None)

    def promql(matchers: str, by: str) -> str:
        return " or ".join(_rate(name, matchers, by) for name in names)

    return Measure(names, read, promql)


def mean_of_histogram(*names: str) -> Measure:
    """Mean of what the first of the histograms ``names`` observed lately; 0 when it observed nothing."""

    def read(history: History) -> float | None:
        for name in names:
            observed, count = _growth(f"{name}_sum", history), _growth(f"{name}_count", history)
            if observed is not None and count is not None:
                return observed[0] / count[0] if count[0] > 0 else 0.0
        return None

    def promql(matchers: str, by: str) -> str:
        sums, counts = ([_rate(f"{name}_{what}", matchers, by) for name in names] for what in ("sum", "count"))
        means = [f"{observed} / ({count} > 0)" for observed, count in zip(sums, counts, strict=True)]
        return " or ".join([*means, *(f"0 * {count}" for count in counts)])

    return Measure(tuple(f"{name}_{what}" for name in names for what in ("sum", "count")), read, promql)


def _over_time(name: str, matchers: str) -> str:
    return f"avg_over_time({name}{{{matchers}}}[{_MEAN}])"


def _rate(name: str, matchers: str, by: str) -> str:
    return f"sum by ({by}) (rate({name}{{{matchers}}}[{_RATE}]))"


def _first(names: Sequence[str], snapshot: Snapshot) -> Series | None:
    return next((snapshot[name] for name in names if name in snapshot), None)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _growth(name: str, history: History) -> tuple[float, float] | None:
    """By how much the counter ``name`` grew, and in how many seconds."""
    told = [(when, snapshot[name].total) for when, snapshot in history if name in snapshot]
    if len(told) < 2 or told[-1][0] <= told[0][0]:
        return None
    # A counter falls when its engine starts again: from then on it counts from 0.
    steps = (after - before if after >= before else after for (_, before), (_, after) in pairwise(told))
    return sum(steps), told[-1][0] - told[0][0]
