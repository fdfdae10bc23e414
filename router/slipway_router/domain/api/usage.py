"""The calls that tell what was used."""

from typing import Any, Final, Literal

from slipway_router.domain.api.entries import JSON, Content, Entry, Open, Parameter, Scope, Strict, Tag
from slipway_router.domain.errors import ErrorCode
from slipway_router.domain.metering.ledger import DIMENSIONS
from slipway_router.domain.metering.query import MAX_DAYS, MAX_LIMIT


class UsageTotals(Strict):
    """Numbers of a group, or of all groups. Prompt tokens are with the cached ones."""

    requests: int
    errors: int
    aborted: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class UsageEntry(Open):
    """One group: the values that it was grouped by, such as ``key`` and ``model``, and its numbers."""

    object: Literal["usage"] = "usage"
    requests: int
    errors: int
    aborted: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class UsageList(Open):
    """Groups in the order of their values; has ``from`` and ``to``, too."""

    object: Literal["list"] = "list"
    data: list[UsageEntry]
    totals: UsageTotals
    has_more: bool
    next_page: int | None


def _query(name: str, text: str, schema: dict[str, Any] | None = None) -> Parameter:
    return Parameter(name, "query", text, schema or {"type": "string"})


_DAY: Final = {"type": "string", "format": "date"}
_MODEL: Final = _query("model", "Only of this model: `namespace/name`, or a served name.")
_COMMON: Final = (
    _query("from", f"First day (UTC); default: 30 days before `to`, at most {MAX_DAYS} days.", _DAY),
    _query("to", "Last day (UTC), included; default: today.", _DAY),
    _query("group_by", f"Names out of {', '.join(DIMENSIONS)}, with commas between. Default: `key,model`."),
    _query("format", "Default: by the header `Accept`.", {"type": "string", "enum": ["json", "csv"]}),
    _query(
        "limit", "Most groups in the answer.", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 1000}
    ),
    _query("page", "`next_page` of the answer before.", {"type": "integer", "minimum": 0, "default": 0}),
)
_ANSWERS: Final = (Content(JSON, UsageList), Content("text/csv"))
_ERRORS: Final = (ErrorCode.INVALID_VALUE, ErrorCode.STORE_UNAVAILABLE)

USAGE: Final = (
    Entry(
        "own_usage",
        "GET",
        "/v1/usage",
        "Requests and tokens of the caller's own key",
        Tag.OPENAI,
        parameters=(_MODEL, *_COMMON),
        answers=_ANSWERS,
        errors=_ERRORS,
    ),
    Entry(
        "admin_usage",
        "GET",
        "/admin/usage",
        "Requests and tokens of all keys, as JSON or CSV",
        Tag.ADMIN,
        scope=Scope.ADMIN,
        text="With a shared store, of all routers.",
        parameters=(
            _query("key", "Only of this key: `namespace/name` of the APIKey."),
            _query("owner", "Only of this owner of keys."),
            _MODEL,
            *_COMMON,
        ),
        answers=_ANSWERS,
        errors=_ERRORS,
    ),
)
