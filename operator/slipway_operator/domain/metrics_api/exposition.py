"""Reading Prometheus' text format, of which only a few names matter here."""

import math
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

_SAMPLE: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?'
    r"[ \t]+(?P<value>[^ \t]+)(?:[ \t]+-?\d+)?[ \t]*"
)


@dataclass(frozen=True, slots=True)
class Series:
    """All samples of one name, whatever their labels."""

    total: float
    count: int

    @property
    def mean(self) -> float:
        """Over the label sets: over GPUs, for example."""
        return self.total / self.count


def read_series(text: str, names: Container[str]) -> dict[str, Series]:
    """The series of ``names`` in ``text``.

    Lines that are no samples, and values that are no finite numbers, are passed over: an engine that writes one such
    line still has its other metrics read. Format: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    found: dict[str, Series] = {}
    for line in text.splitlines():
        # A look at the name first: engines write thousands of lines of histograms that nobody here wants.
        name = line.partition("{")[0].partition(" ")[0]
        if name not in names:
            continue
        sample = _SAMPLE.fullmatch(line)
        value = _number(sample["value"]) if sample else None
        if value is not None:
            before = found.get(name, Series(0.0, 0))
            found[name] = Series(before.total + value, before.count + 1)
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
