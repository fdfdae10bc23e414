"""Error objects in the words of the API that a path belongs to, so that its clients understand them."""

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import orjson


class Dialect(Enum):
    """Whose error objects are used."""

    OPENAI = "openai"
    """``{"error": {"message", "type", "param", "code"}}``."""
    ANTHROPIC = "anthropic"
    """``{"type": "error", "error": {"type", "message"}}``."""
    TEI = "tei"
    """text-embeddings-inference's ``{"error": "message", "error_type"}``."""


_ANTHROPIC_TYPES: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded_error",
}
_TEI_TYPES: Final[Mapping[int, str]] = {
    HTTPStatus.TOO_MANY_REQUESTS: "Overloaded",
    HTTPStatus.SERVICE_UNAVAILABLE: "Unhealthy",
}


def error_body(
    dialect: Dialect, status: int, message: str, kind: str, code: str | None, param: str | None = None
) -> bytes:
    """The error object as JSON. ``kind``, ``code`` and ``param`` are OpenAI's; the others know no such fields."""
    content: dict[str, Any]
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    match dialect:
        case Dialect.OPENAI:
            content = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        case Dialect.ANTHROPIC:
            name = _ANTHROPIC_TYPES.get(status, "api_error" if failed else "invalid_request_error")
            content = {"type": "error", "error": {"type": name, "message": message}}
        case Dialect.TEI:
            content = {"error": message, "error_type": _TEI_TYPES.get(status, "Backend" if failed else "Validation")}
    return orjson.dumps(content)


def is_error(dialect: Dialect, parsed: Any) -> bool:
    """Whether an answer of an engine is an error object of the dialect already."""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    match dialect:
        case Dialect.OPENAI:
            return isinstance(error, dict) and "message" in error
        case Dialect.ANTHROPIC:
            return isinstance(error, dict) and "message" in error and parsed.get("type") == "error"
        case Dialect.TEI:
            return isinstance(error, str) and "error_type" in parsed
