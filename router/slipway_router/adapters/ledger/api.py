"""``GET /admin/usage`` and ``GET /v1/usage``: the account of used tokens, as JSON or CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from slipway_router.adapters.api.dispatch import Call, Handlers
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import COUNTS, UsageQuery, UsageReader, UsageReport
from slipway_router.domain.metering.query import FILTERS, parse_query, wants_csv

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""With these at its begin, spreadsheets take a cell for a formula."""


class LedgerApi:
    """Tells what was used. All parameters are in the URL; `parse_query` knows them."""

    def __init__(self, reader: UsageReader, wall_clock: Callable[[], float]) -> None:
        self._reader = reader
        self._now = wall_clock

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {"admin_usage": self._everyone, "own_usage": self._own}

    async def _everyone(self, call: Call) -> Response:
        """``GET /admin/usage``: of all keys, for admins."""
        return await self._answer(call.request, self._query(call.request, FILTERS))

    async def _own(self, call: Call) -> Response:
        """``GET /v1/usage``: of the caller's own key."""
        query = self._query(call.request, ("model",))
        return await self._answer(call.request, replace(query, where={**query.where, "key": call.caller.name}))

    def _query(self, request: Request, filters: tuple[str, ...]) -> UsageQuery:
        return parse_query(request.query_params.multi_items(), self._today(), filters=filters)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    async def _answer(self, request: Request, query: UsageQuery) -> Response:
        as_csv = wants_csv(request.query_params.multi_items(), request.headers.get("accept", ""))
        found = await self._reader.read(query)
        if as_csv:
            headers = {"content-disposition": f'attachment; filename="usage-{query.first}-{query.last}.csv"'}
            if found.more:
                headers["x-next-page"] = str(query.offset + query.limit)
            return Response(to_csv(query.group_by, found), headers=headers, media_type="text/csv; charset=utf-8")
        return Response(orjson.dumps(to_json(query, found)), media_type="application/json")


def to_json(query: UsageQuery, found: UsageReport) -> dict[str, Any]:
    """The answer as a list object. ``page`` of the next question is ``next_page``."""
    return {
        "object": "list",
        "from": query.first.isoformat(),
        "to": query.last.isoformat(),
        "data": [
            {"object": "usage", **dict(zip(query.group_by, values, strict=True)), **_named(counts)}
            for values, counts in found.rows
        ],
        "totals": _named(found.totals),
        "has_more": found.more,
        "next_page": query.offset + query.limit if found.more else None,
    }


def to_csv(group_by: tuple[str, ...], found: UsageReport) -> str:
    """The answer as CSV (RFC 4180) with a line of names; no cell of it is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*group_by, *COUNTS))
    for values, counts in found.rows:
        writer.writerow((*map(_plain, values), *counts.values))
    return text.getvalue()


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _named(counts: Counts) -> dict[str, int]:
    return dict(zip(COUNTS, counts.values, strict=True))
