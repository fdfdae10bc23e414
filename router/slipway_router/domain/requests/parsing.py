"""Step: read the fields of the body that the router acts on: the model, whether to stream, and parameters.

Only these become Python objects: bodies can be tens of megabytes of pictures.
"""

import re
from codecs import getincrementaldecoder
from typing import Final

import msgspec

from slipway_crds.engines import Operation
from slipway_router.domain.api.routes import ModelIn
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Body, Exchange
from slipway_router.domain.requests.calls import DECODERS, Call, allowed
from slipway_router.domain.requests.forms import boundary_of, read_form

_MAX_NAME: Final = 256
_SLICE: Final = 65536
_FIELD: Final = re.compile(r"`\$\.(\w+)[^`]*`$")
"""Where msgspec says at the end of its messages what is wrong: ``$.stop[1]``."""


def parse_call(exchange: Exchange) -> None:
    """Set ``exchange.call`` (of JSON), ``exchange.model_name`` and ``exchange.stream`` from the body.

    The model's name stays empty if none is named.

    Raises:
        RequestError: 400 or 415, the body is not a JSON object or form, or a field has a wrong type or value.
    """
    if exchange.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise fail(ErrorCode.UNSUPPORTED_ENCODING, "Compressed bodies are not accepted. Send it as it is.")
    route = exchange.route
    if route.model_in is not ModelIn.BODY:
        return
    boundary = boundary_of(exchange.headers) if route.form else None
    if boundary is None:
        call = exchange.call = _json(exchange.body, route.operation)
        model, exchange.stream = call.model, bool(call.stream)
    else:
        form = read_form(exchange.body, boundary)
        model, exchange.stream, exchange.model_at = form.model, form.stream, form.model_at
    if model is not None:
        if not 0 < len(model) <= _MAX_NAME:
            raise _wrong_value(route.operation, "model")
        exchange.model_name = model
    elif route.unnamed is not None:
        exchange.route = route.unnamed
    else:
        message = "Field 'model' is missing. GET /v1/models lists the names."
        raise fail(ErrorCode.MISSING_FIELD, message, param="model")


def _json(body: Body, operation: Operation) -> Call:
    try:
        if not body.isascii():
            _check_utf8(body)
        return DECODERS[operation].decode(body)
    except msgspec.ValidationError as error:
        field = _FIELD.search(str(error))
        if field is not None:
            raise _wrong_value(operation, field[1]) from None
        raise fail(ErrorCode.INVALID_JSON, "The body must be a JSON object with the field 'model'.") from None
    except RecursionError:
        raise fail(ErrorCode.INVALID_JSON, "The body is nested too deeply.") from None
    except UnicodeDecodeError:
        raise fail(ErrorCode.INVALID_JSON, "The body is not valid JSON: it is not UTF-8.") from None
    except msgspec.DecodeError as error:
        detail = str(error).removeprefix("JSON is malformed: ")
        raise fail(ErrorCode.INVALID_JSON, f"The body is not valid JSON: {detail}.") from None


def _check_utf8(body: Body) -> None:
    """Raises UnicodeDecodeError. The decoder looks at the fields of a call only, engines read all of them."""
    decoder = getincrementaldecoder("utf-8")()
    for start in range(0, len(body), _SLICE):
        decoder.decode(body[start : start + _SLICE], start + _SLICE >= len(body))


def _wrong_value(operation: Operation, field: str) -> RequestError:
    return fail(ErrorCode.INVALID_VALUE, f"Field '{field}' must be {allowed(operation, field)}.", param=field)
