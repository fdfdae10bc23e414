"""Questions to the account of used tokens are checked, and answered as JSON or as CSV that no spreadsheet runs."""

import csv
import io
from datetime import date

import pytest

from slipway_router.adapters.ledger.api import to_csv, to_json
from slipway_router.domain.errors import ErrorCode, RequestError
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import UsageKey, UsageQuery, report
from slipway_router.domain.metering.query import parse_query, wants_csv

TODAY = date(2026, 11, 21)
CHAT = "/v1/chat/completions"


def line(
    day: str = "2026-11-20", key: str = "a/k", model: str = "a/m", name: str = "m", tokens: int = 1
) -> tuple[UsageKey, Counts]:
    return UsageKey(day, key, "team", model, name, CHAT), Counts(1, 0, 0, 10 * tokens, tokens, 0)


def test_without_parameters_the_last_31_days_by_key_and_model() -> None:
    query = parse_query([], TODAY)
    assert (query.first, query.last) == (date(2026, 10, 22), TODAY)
    assert query.group_by == ("key", "model")


def test_every_parameter() -> None:
    query = parse_query(
        [
            ("from", "2026-11-01"),
            ("to", "2026-11-02"),
            ("key", "a/k"),
            ("model", "a/m"),
            ("owner", "team"),
            ("group_by", "day, key"),
            ("limit", "5"),
            ("page", "10"),
            ("format", "csv"),
        ],
        TODAY,
    )
    where = {"key": "a/k", "model": "a/m", "owner": "team"}
    assert query == UsageQuery(date(2026, 11, 1), date(2026, 11, 2), where, ("day", "key"), 5, 10)


@pytest.mark.parametrize(
    ("parameters", "param", "advice"),
    [
        ([("from", "yesterday")], "from", "such as 2026-01-31"),
        ([("to", "0001-01-01")], "to", "after 1970"),
        ([("from", "2026-11-22")], "from", "write an earlier day"),
        ([("from", "2020-01-01")], "from", "ask for fewer days"),
        ([("group_by", "key,weather")], "group_by", "out of day, key, owner"),
        ([("limit", "0")], "limit", "from 1 to 10000"),
        ([("limit", "٣")], "limit", "from 1 to 10000"),
        ([("page", "-1")], "page", "from 0"),
        ([("modle", "m")], "modle", "the parameters are key, model, owner, from"),
        ([("key", "a"), ("key", "b")], "key", "write it once"),
    ],
)
def test_wrong_parameters_are_named(parameters: list[tuple[str, str]], param: str, advice: str) -> None:
    with pytest.raises(RequestError) as raised:
        parse_query(parameters, TODAY)
    problem = raised.value.problem
    assert (problem.code, problem.param) == (ErrorCode.INVALID_VALUE, param)
    assert advice in problem.message


def test_csv_is_asked_for_by_parameter_or_header() -> None:
    assert wants_csv([("format", "csv")], "")
    assert wants_csv([], "text/csv, */*;q=0.1")
    assert not wants_csv([("format", "json")], "text/csv")
    assert not wants_csv([], "*/*")
    with pytest.raises(RequestError):
        wants_csv([("format", "xml")], "")


def test_groups_filters_pages_and_totals() -> None:
    lines = [
        line(),
        line(day="2026-11-21", tokens=2),
        line(key="b/k", tokens=4),
        line(model="b/n", name="n", tokens=8),
        line(day="2026-01-01", tokens=100),
    ]
    query = parse_query([("group_by", "key"), ("limit", "1")], TODAY)
    first = report(lines, query)
    assert first.rows == ((("a/k",), Counts(3, 0, 0, 110, 11, 0)),)
    assert (first.totals, first.more) == (Counts(4, 0, 0, 150, 15, 0), True)
    second = report(lines, parse_query([("group_by", "key"), ("limit", "1"), ("page", "1")], TODAY))
    assert second.rows == ((("b/k",), Counts(1, 0, 0, 40, 4, 0)),)
    assert not second.more
    by_name = report(lines, parse_query([("model", "n")], TODAY))
    by_key = report(lines, parse_query([("model", "b/n")], TODAY))
    assert by_name == by_key
    assert by_name.totals.completion_tokens == 8
    assert to_json(query, first)["data"] == [
        {
            "object": "usage",
            "key": "a/k",
            "requests": 3,
            "errors": 0,
            "aborted": 0,
            "prompt_tokens": 110,
            "completion_tokens": 11,
            "cached_tokens": 0,
        }
    ]
    assert to_json(query, first)["next_page"] == 1


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", 'a"b,c\r\nd'])
def test_csv_holds_no_formula_and_reads_back(name: str) -> None:
    query = parse_query([("group_by", "owner")], TODAY)
    key = UsageKey("2026-11-20", "a/k", name, "a/m", "m", CHAT)
    text = to_csv(query.group_by, report([(key, Counts(requests=1))], query))
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert header[:2] == ["owner", "requests"]
    assert row[0].lstrip("'") == name
    assert row[0][0] not in "=+-@\t\r"
