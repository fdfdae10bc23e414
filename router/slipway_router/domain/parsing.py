"""Step: find out from the body which model is wanted, and whether the answer shall be a stream.

Only these two fields become Python objects: bodies can be tens of megabytes of pictures.
"""

from typing import Final

import msgspec

from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Body, Exchange
from slipway_router.domain.forms import boundary_of, read_form
from slipway_router.domain.routes import ModelIn

_MAX_NAME: Final = 256
_MODEL_WRONG: Final = f"Field 'model' must be a name of 1 to {_MAX_NAME} characters."
_STREAM_WRONG: Final = "Field 'stream' must be true or false."


class _Call(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None


_decode: Final = msgspec.json.Decoder(_Call).decode


def parse_call(exchange: Exchange) -> None:
    """Set ``exchange.model_name`` and ``exchange.stream`` from the body; the model's name stays empty if none is named.

    Raises:
        RequestError: 400 or 415, the body is not a JSON object or form, or a field in it has the wrong type.
    """
    if exchange.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise fail(ErrorCode.UNSUPPORTED_ENCODING, "Compressed bodies are not accepted. Send it as it is.")
    route = exchange.route
    if route.model_in is not ModelIn.BODY:
        return
    boundary = boundary_of(exchange.headers) if route.form else None
    if boundary is None:
        call = _json(exchange.body)
        model, exchange.stream = call.model, bool(call.stream)
    else:
        form = read_form(exchange.body, boundary)
        model, exchange.stream, exchange.model_at = form.model, form.stream, form.model_at
    if model is not None:
        if not 0 < len(model) <= _MAX_NAME:
            raise fail(ErrorCode.INVALID_VALUE, _MODEL_WRONG, param="model")
        exchange.model_name = model
    elif route.unnamed is not None:
        exchange.route = route.unnamed
    else:
        message = "Field 'model' is missing. GET /v1/models lists the names."
        raise fail(ErrorCode.MISSING_FIELD, message, param="model")


def _json(body: Body) -> _Call:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_type(str(error)) from None
    except RecursionError:
        raise fail(ErrorCode.INVALID_JSON, "The body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise fail(ErrorCode.INVALID_JSON, "The body is not valid JSON: it is not UTF-8.") from None
    except msgspec.DecodeError as error:
        detail = str(error).removeprefix("JSON is malformed: ")
        raise fail(ErrorCode.INVALID_JSON, f"The body is not valid JSON: {detail}.") from None


def _wrong_type(message: str) -> RequestError:
    if message.endswith("`$.model`"):
        return fail(ErrorCode.INVALID_VALUE, _MODEL_WRONG, param="model")
    if message.endswith("`$.stream`"):
        return fail(ErrorCode.INVALID_VALUE, _STREAM_WRONG, param="stream")
    return fail(ErrorCode.INVALID_JSON, "The body must be a JSON object with the field 'model'.")
