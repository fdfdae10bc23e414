"""What a caller sees when an engine answers with an error status."""

from http import HTTPStatus
from typing import Any, Final

import orjson

from slipway_router.domain.errors import ErrorCode, Problem, envelope

MAX_ERROR_BODY: Final = 65536
"""Bytes of an engine's error answer that are read."""
_MAX_MESSAGE: Final = 2000
_OVERLOADED: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def explain(status: int, body: bytes, model_name: str) -> tuple[int, bytes, Problem]:
    """Status and body for the caller, and the problem for the log.

    The engine's word on a wrong request (4xx) reaches the caller, in OpenAI's envelope; its word on its own troubles
    (5xx) does not.
    """
    if status in _OVERLOADED:
        problem = Problem(ErrorCode.MODEL_UNAVAILABLE, f"The model '{model_name}' is busy. Try again.", retry_after=1)
        return problem.status, problem.body(), problem
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        problem = Problem(ErrorCode.ENGINE_FAILED, f"The engine of the model '{model_name}' failed on this request.")
        return problem.status, problem.body(), problem
    parsed = _parse(body)
    message = _message(parsed) or f"The engine of the model '{model_name}' refused this request."
    problem = Problem(ErrorCode.REQUEST_REFUSED, message)
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), dict) and "message" in parsed["error"]:
        return status, body, problem
    return status, envelope(message, problem.code.kind, problem.code.code), problem


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
