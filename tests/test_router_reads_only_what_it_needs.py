"""Of a JSON body, only the model's name and whether it asks for a stream are looked at."""

import pytest

from slipway_router.domain.errors import ErrorCode, RequestError
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.parsing import parse_call
from slipway_router.domain.routes import BY_PATH


def parsed(body: bytes) -> Exchange:
    exchange = Exchange(BY_PATH[b"/v1/chat/completions"], {}, "", "r", 0.0, body)
    parse_call(exchange)
    return exchange


@pytest.mark.parametrize(
    ("body", "model", "stream"),
    [
        (b'{"model":"m"}', "m", False),
        (b' {"messages": [{"model": "x"}], "stream": true, "model": "m"} ', "m", True),
        (b'{"model":"m","stream":null}', "m", False),
        (b'{"model":"\\u006d\\n\xc3\xa9"}', "m\n\u00e9", False),
        (b'{"model":"a","model":"m"}', "m", False),
    ],
)
def test_read(body: bytes, model: str, stream: bool) -> None:
    assert (parsed(body).model_name, parsed(body).stream) == (model, stream)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", ErrorCode.INVALID_JSON, "truncated"),
        (b'{"model": "m",}', ErrorCode.INVALID_JSON, "byte 14"),
        (b'{"model": "m"} {', ErrorCode.INVALID_JSON, "byte 16"),
        (b'{"model": "\xff"}', ErrorCode.INVALID_JSON, "UTF-8"),
        (b'{"model": "m", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ErrorCode.INVALID_JSON, "deeply"),
        (b'"m"', ErrorCode.INVALID_JSON, "object"),
        (b'{"model": ""}', ErrorCode.INVALID_VALUE, "1 to 256"),
        (b'{"model": "' + b"m" * 257 + b'"}', ErrorCode.INVALID_VALUE, "1 to 256"),
        (b'{"model": ["m"]}', ErrorCode.INVALID_VALUE, "1 to 256"),
        (b'{"model": "m", "stream": 1}', ErrorCode.INVALID_VALUE, "true or false"),
        (b'{"model": null}', ErrorCode.MISSING_FIELD, "missing"),
    ],
)
def test_refused(body: bytes, code: ErrorCode, words: str) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        parsed(body)
    assert caught.value.problem.code is code
