"""What a caller sees when an engine answers with an error status."""

from http import HTTPStatus
from typing import Any, Final

import orjson

from slipway_router.domain.api.dialects import Dialect, error_body, is_error
from slipway_router.domain.errors import ErrorCode, Problem

MAX_ERROR_BODY: Final = 65536
"""Bytes of an engine's error answer that are read."""
_MAX_MESSAGE: Final = 2000
_OVERLOADED: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def explain(status: int, body: bytes, model_name: str, dialect: Dialect = Dialect.OPENAI) -> tuple[int, bytes, Problem]:
    """Status and body for the caller, and the problem for the log.

    The engine's word on a wrong request (4xx) reaches the caller, in the dialect of the path; its word on its own
    troubles (5xx) does not.
    """
    if status in _OVERLOADED:
        # text-embeddings-inference's clients know a full queue by its 429.
        full = dialect is Dialect.TEI and status == HTTPStatus.TOO_MANY_REQUESTS
        code = ErrorCode.OVERLOADED if full else ErrorCode.MODEL_UNAVAILABLE
        problem = Problem(code, f"The model '{model_name}' is busy. Try again.", retry_after=1)
        return problem.status, problem.body(dialect), problem
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        problem = Problem(ErrorCode.ENGINE_FAILED, f"The engine of the model '{model_name}' failed on this request.")
        return problem.status, problem.body(dialect), problem
    parsed = _parse(body)
    message = _message(parsed) or f"The engine of the model '{model_name}' refused this request."
    problem = Problem(ErrorCode.REQUEST_REFUSED, message)
    if is_error(dialect, parsed):
        return status, body, problem
    return status, error_body(dialect, status, message, problem.code.kind, problem.code.code), problem


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _message(parsed: Any) -> str:
    """The message of an error in one of the shapes that engines use."""
    if not isinstance(parsed, dict):
        return ""
    for field in ("error", "message", "detail"):
        value = parsed.get(field)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value:
            return value[:_MAX_MESSAGE]
    return ""
