"""Of a JSON body, only the fields that the router acts on are looked at; their values are checked as they are read."""

import pytest

from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.errors import ErrorCode, RequestError
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.requests.parsing import parse_call


def parsed(body: bytes, path: bytes = b"/v1/chat/completions") -> Exchange:
    exchange = Exchange(BY_PATH[path], {}, "", "r", 0.0, body)
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


@pytest.mark.parametrize(
    ("path", "field", "wrong", "range_"),
    [
        (b"/v1/chat/completions", "temperature", "-0.1", "from 0 to 2"),
        (b"/v1/chat/completions", "temperature", "2.01", "from 0 to 2"),
        (b"/v1/chat/completions", "temperature", '"1"', "from 0 to 2"),
        (b"/v1/chat/completions", "temperature", "true", "from 0 to 2"),
        (b"/v1/chat/completions", "temperature", "1e999", "from 0 to 2"),
        (b"/v1/chat/completions", "top_p", "1.5", "from 0 to 1"),
        (b"/v1/chat/completions", "min_p", "-1", "from 0 to 1"),
        (b"/v1/chat/completions", "top_k", "-2", "from -1 to 2147483647"),
        (b"/v1/chat/completions", "top_k", "1.5", "from -1"),
        (b"/v1/chat/completions", "max_tokens", "0", "at least 1"),
        (b"/v1/chat/completions", "max_tokens", "-1", "at least 1"),
        (b"/v1/chat/completions", "max_tokens", "1e3", "a whole number"),
        (b"/v1/chat/completions", "max_tokens", "9" * 5000, "a whole number"),
        (b"/v1/chat/completions", "max_completion_tokens", "[]", "a whole number"),
        (b"/v1/chat/completions", "n", "0", "from 1 to 128"),
        (b"/v1/chat/completions", "n", "129", "from 1 to 128"),
        (b"/v1/chat/completions", "stop", '["a", 1]', "at most 16 texts"),
        (b"/v1/chat/completions", "stop", "[" + ",".join(['"a"'] * 17) + "]", "at most 16 texts"),
        (b"/v1/chat/completions", "seed", "9223372036854775808", "64 bits"),
        (b"/v1/chat/completions", "seed", "0.5", "64 bits"),
        (b"/v1/chat/completions", "presence_penalty", "2.5", "from -2 to 2"),
        (b"/v1/chat/completions", "frequency_penalty", "-2.5", "from -2 to 2"),
        (b"/v1/chat/completions", "repetition_penalty", "0", "greater than 0"),
        (b"/v1/chat/completions", "repeat_penalty", "2.1", "at most 2"),
        (b"/v1/chat/completions", "n_predict", '"all"', "a whole number"),
        (b"/v1/chat/completions", "logprobs", "21", "from 0 to 20"),
        (b"/v1/chat/completions", "top_logprobs", "21", "from 0 to 20"),
        (b"/v1/chat/completions", "stream_options", "true", "include_usage"),
        (b"/v1/completions", "max_tokens", "0", "at least 1"),
        (b"/v1/completions", "logprobs", "-1", "from 0 to 20"),
        (b"/v1/responses", "max_output_tokens", "0", "at least 1"),
        (b"/v1/messages", "max_tokens", "0.5", "a whole number"),
        (b"/v1/messages", "stop_sequences", '"END"', "a list"),
    ],
)
def test_wrong_values_are_named_with_their_range(path: bytes, field: str, wrong: str, range_: str) -> None:
    with pytest.raises(RequestError, match=range_) as caught:
        parsed(f'{{"model": "m", "{field}": {wrong}}}'.encode(), path)
    assert (caught.value.problem.code, caught.value.problem.param) == (ErrorCode.INVALID_VALUE, field)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["temperature", "of_another_api"])
def test_what_is_no_json_number_is_refused_anywhere(field: str, number: str) -> None:
    with pytest.raises(RequestError, match="not valid JSON") as caught:
        parsed(f'{{"model": "m", "{field}": {number}}}'.encode())
    assert caught.value.problem.code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("path", [b"/v1/embeddings", b"/v1/rerank", b"/classify", b"/v1/images/generations"])
def test_other_apis_have_fields_of_their_own(path: bytes) -> None:
    """A field of that name may mean something else there."""
    assert parsed(b'{"model": "m", "n": "all", "temperature": [9], "stop": {}}', path).model_name == "m"


def test_both_of_two_equal_fields_are_checked() -> None:
    """Readers differ in which of the two they take."""
    with pytest.raises(RequestError, match="from 0 to 2"):
        parsed(b'{"model": "m", "temperature": 9, "temperature": 1}')
