"""Step: read the JSON body, once."""

from typing import Any

import orjson

from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.exchange import Exchange

_MAX_NAME = 256


def parse_call(exchange: Exchange) -> None:
    """Set ``exchange.model_name`` and ``exchange.stream`` from the body.

    Raises:
        RequestError: 400 or 415, the body is not a JSON object, or a field in it has the wrong type.
    """
    if exchange.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise fail(ErrorCode.UNSUPPORTED_ENCODING, "Compressed bodies are not accepted. Send plain JSON.")
    fields = _object(exchange.body)
    model = fields.get("model")
    if model is None:
        raise fail(ErrorCode.MISSING_FIELD, "Field 'model' is missing. GET /v1/models lists the names.", param="model")
    if not isinstance(model, str) or not model or len(model) > _MAX_NAME:
        raise fail(
            ErrorCode.INVALID_VALUE, f"Field 'model' must be a name of 1 to {_MAX_NAME} characters.", param="model"
        )
    stream = fields.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise fail(ErrorCode.INVALID_VALUE, "Field 'stream' must be true or false.", param="stream")
    exchange.model_name = model
    exchange.stream = bool(stream)


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise fail(ErrorCode.INVALID_JSON, f"The body is not valid JSON: {error.msg} ({where}).") from None
    if not isinstance(parsed, dict):
        raise fail(ErrorCode.INVALID_JSON, "The body must be a JSON object with the field 'model'.")
    return parsed
