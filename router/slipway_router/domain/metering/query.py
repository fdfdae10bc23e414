"""Questions to the account of used tokens, as they stand in a URL."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.metering.ledger import DIMENSIONS, UsageQuery

FILTERS: Final = ("key", "model", "owner")
MAX_LIMIT: Final = 10_000
MAX_DAYS: Final = 400
_DEFAULT_DAYS: Final = 31
_DEFAULT_LIMIT: Final = 1000
_DEFAULT_GROUPS: Final = ("key", "model")
_MAX_OFFSET: Final = 10_000_000
_OTHERS: Final = ("from", "to", "group_by", "format", "limit", "page")


def parse_query(parameters: Sequence[tuple[str, str]], today: date, *, filters: Sequence[str] = FILTERS) -> UsageQuery:
    """The question in a URL's parameters. Without any: the last 31 days by key and model.

    Raises:
        RequestError: 400, a parameter is unknown or wrong; the message names it and says what to write.
    """
    given = _each_once(parameters, (*filters, *_OTHERS))
    last = _day(given, "to", today)
    first = _day(given, "from", last - timedelta(days=_DEFAULT_DAYS - 1))
    if first > last:
        raise _wrong("from", f"is after 'to' ({last}); write an earlier day")
    if (last - first).days >= MAX_DAYS:
        raise _wrong("from", f"is more than {MAX_DAYS} days before 'to' ({last}); ask for fewer days at once")
    return UsageQuery(
        first,
        last,
        {name: given[name] for name in filters if name in given},
        _groups(given),
        _number(given, "limit", _DEFAULT_LIMIT, 1, MAX_LIMIT),
        _number(given, "page", 0, 0, _MAX_OFFSET),
    )


def wants_csv(parameters: Sequence[tuple[str, str]], accept: str) -> bool:
    """Whether the answer shall be CSV rather than JSON.

    Raises:
        RequestError: 400, ``format`` is neither.
    """
    asked = dict(parameters).get("format")
    if asked is None:
        return "text/csv" in accept.lower()
    if asked not in ("json", "csv"):
        raise _wrong("format", "must be json or csv")
    return asked == "csv"


def _each_once(parameters: Sequence[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in known:
            raise _wrong(name, f"is not known here; the parameters are {', '.join(known)}")
        if name in given:
            raise _wrong(name, "is given twice; write it once")
        given[name] = value
    return given


def _day(given: Mapping[str, str], name: str, default: date) -> date:
    text = given.get(name)
    if text is None:
        return default
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _wrong(name, "must be a day (UTC) such as 2026-01-31") from None
    if day.year < 1971:  # So that no arithmetic with it leaves the calendar.
        raise _wrong(name, "must be a day after 1970")
    return day


def _groups(given: Mapping[str, str]) -> tuple[str, ...]:
    text = given.get("group_by")
    if text is None:
        return _DEFAULT_GROUPS
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in DIMENSIONS:
            raise _wrong("group_by", f"must be names out of {', '.join(DIMENSIONS)}, with commas between")
    return tuple(dict.fromkeys(names))


def _number(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise _wrong(name, f"must be a whole number from {least} to {most}")
    return int(text)


def _wrong(name: str, what: str) -> RequestError:
    name = name[:64]
    return fail(ErrorCode.INVALID_VALUE, f"Parameter '{name}' {what}.", param=name)
