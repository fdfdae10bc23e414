"""The account of used tokens: what is counted, and what can be asked of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Final, NamedTuple, Protocol

from slipway_router.domain.metering.counts import Counts


class UsageKey(NamedTuple):
    """Whose use of what a line of the account is."""

    day: str
    """UTC, ``YYYY-MM-DD``: the day on which the request ended."""
    key: str
    """The caller's name: ``namespace/name`` of an APIKey, or what else identifies the caller."""
    owner: str
    model: str
    """``namespace/name`` of the ModelDeployment."""
    name: str
    """The served name that was asked for."""
    operation: str
    """Name of the route, such as ``/v1/chat/completions``."""


DIMENSIONS: Final = UsageKey._fields
"""By what an account can be grouped."""


COUNTS: Final = tuple(entry.name for entry in fields(Counts))
"""Names of the numbers."""
Account = dict[UsageKey, Counts]


def merge(into: Account, more: Mapping[UsageKey, Counts]) -> None:
    """Add the counts of ``more``."""
    for key, counts in more.items():
        into.setdefault(key, Counts()).add(counts)


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What somebody wants to know."""

    first: date
    last: date
    """Included."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Values that dimensions must have. One for ``model`` may be the model's key or the served name."""
    group_by: tuple[str, ...] = ()
    limit: int = 1000
    offset: int = 0


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The answer to a `UsageQuery`."""

    rows: tuple[tuple[tuple[str, ...], Counts], ...]
    """Values of the dimensions asked for, and counts; sorted by the values."""
    totals: Counts
    """Of all groups, on this page or not."""
    more: bool = False
    """Whether there are groups behind these."""


class UsageReader(Protocol):
    """Whoever keeps an account."""

    async def read(self, query: UsageQuery) -> UsageReport:
        """Everything counted until now.

        Raises:
            RequestError: the account cannot be read at the moment.
        """
        ...


def report(account: Iterable[tuple[UsageKey, Counts]], query: UsageQuery) -> UsageReport:
    """The answer from the lines of an account."""
    places = [DIMENSIONS.index(name) for name in query.group_by]
    groups: dict[tuple[str, ...], Counts] = {}
    totals = Counts()
    for key, counts in account:
        if _wanted(key, query):
            groups.setdefault(tuple(key[place] for place in places), Counts()).add(counts)
            totals.add(counts)
    rows = sorted(groups.items(), key=lambda row: row[0])
    end = query.offset + query.limit
    return UsageReport(tuple(rows[query.offset : end]), totals, len(rows) > end)


def _wanted(key: UsageKey, query: UsageQuery) -> bool:
    if not query.first.isoformat() <= key.day <= query.last.isoformat():
        return False
    for name, value in query.where.items():
        if getattr(key, name) != value and not (name == "model" and key.name == value):
            return False
    return True
