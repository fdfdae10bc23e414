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

from slipway_router.domain.authentication import Authenticate
from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.keys import Caller
from slipway_router.domain.ledger import COUNTS, Counts, UsageQuery, UsageReader, UsageReport
from slipway_router.domain.ledger_query import FILTERS, parse_query, wants_csv

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""With these at its begin, spreadsheets take a cell for a formula."""
_NO_ADMIN: Final = "This needs an admin key (an APIKey with spec.admin). GET /v1/usage tells the use of your own key."


class LedgerApi:
    """Tells what was used. All parameters are in the URL; `parse_query` knows them."""

    def __init__(self, reader: UsageReader, authenticate: Authenticate, wall_clock: Callable[[], float]) -> None:
        self._reader = reader
        self._authenticate = authenticate
        self._now = wall_clock

    async def everyone(self, request: Request) -> Response:
        """``GET /admin/usage``: of all keys, for admins.

        Raises:
            RequestError: 400 a wrong parameter, 401, 403 not an admin's key, 503 the shared store does not answer.
        """
        if not self._caller(request).admin:
            raise fail(ErrorCode.ADMIN_REQUIRED, _NO_ADMIN)
        return await self._answer(request, self._query(request, FILTERS))

    async def own(self, request: Request) -> Response:
        """``GET /v1/usage``: of the caller's own key. Raises as `everyone` does, without 403."""
        caller = self._caller(request)
        query = self._query(request, ("model",))
        return await self._answer(request, replace(query, where={**query.where, "key": caller.name}))

    def _caller(self, request: Request) -> Caller:
        return self._authenticate.caller(dict(request.scope["headers"]))

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
