"""Bodies that are not what the API asks for get the error that names what is wrong, and never reach an engine."""

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.fakes.upstream import upstream
from tests.raw_http import AUTH, BODY, chunked, request, send
from tests.routers import chat, model, running_router

pytestmark = pytest.mark.local

JSON, VALUE, MISSING = (400, "invalid_json"), (400, "invalid_value"), (400, "missing_required_parameter")
UNKNOWN_MODEL, ENCODING = (404, "model_not_found"), (415, "unsupported_content_encoding")
MEBIBYTE = 1024 * 1024


def with_text(text: str, **fields: Any) -> bytes:
    """A chat with JSON ``text`` in place of its first message's content."""
    return json.dumps(chat(messages=[{"role": "user", "content": "@"}], **fields)).replace('"@"', text).encode()


NOT_JSON = {
    "nothing": b"",
    "a word": b"hello",
    "null": b"null",
    "true": b"true",
    "number": b"1e9",
    "text": b'"chat-a"',
    "list": b'[{"model": "chat-a"}]',
    "form": b"model=chat-a&messages=",
    "cut off": BODY[:-1],
    "two documents": BODY + BODY,
    "junk behind": BODY + b"x",
    "comment": BODY[:-1] + b"/* */}",
    "comma at the end": BODY[:-1] + b",}",
    "single quotes": BODY.replace(b'"', b"'"),
    "no quotes": b"{model: 1}",
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "UTF-16": BODY.decode().encode("utf-16"),
    "UTF-32": BODY.decode().encode("utf-32"),
    "Latin-1": b'{"model": "chat-\xe9"}',
    "Latin-1 in a field that is passed on": with_text('"@"').replace(b"@", b"\xe9"),
    "overlong UTF-8": b'{"model": "chat-\xc0\xaf"}',
    "surrogate in UTF-8": b'{"model": "\xed\xa0\x80"}',
    "control character": b'{"model": "chat\n-a"}',
    "half an escape": b'{"model": "\\u00"}',
    "NaN": b'{"model": "chat-a", "temperature": NaN}',
    "Infinity": b'{"model": "chat-a", "top_p": Infinity}',
    "minus Infinity": b'{"model": "chat-a", "x": -Infinity}',
    "plus": b'{"model": "chat-a", "seed": +1}',
    "leading zero": b'{"model": "chat-a", "seed": 01}',
    "hexadecimal": b'{"model": "chat-a", "seed": 0x1}',
    "deep lists": b"[" * 100_000,
    "deep lists in a field": b'{"model": "chat-a", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects in a field": b'{"model": "chat-a", "x": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
}
WRONG_MODEL = {
    "no model": (b"{}", MISSING),
    "null": (b'{"model": null}', MISSING),
    "number": (b'{"model": 1}', VALUE),
    "list": (b'{"model": ["chat-a"]}', VALUE),
    "object": (b'{"model": {"$ne": ""}}', VALUE),
    "empty": (b'{"model": ""}', VALUE),
    "too long": (json.dumps(chat("m" * 257)).encode(), VALUE),
    "huge": (json.dumps(chat("m" * MEBIBYTE)).encode(), VALUE),
    "unknown": (json.dumps(chat("chat-b")).encode(), UNKNOWN_MODEL),
    "NUL": (json.dumps(chat("chat-a\0")).encode(), UNKNOWN_MODEL),
    "path": (json.dumps(chat("../../etc/passwd")).encode(), UNKNOWN_MODEL),
    "other case": (json.dumps(chat("Chat-A")).encode(), UNKNOWN_MODEL),
    "look-alike": (json.dumps(chat("ch\u0430t-a")).encode(), UNKNOWN_MODEL),
    "line end": (json.dumps(chat("chat-a\r\nx-evil: 1")).encode(), UNKNOWN_MODEL),
    "last of two": (b'{"model": "chat-a", "model": "chat-b", "messages": []}', UNKNOWN_MODEL),
    "escaped name": (b'{"model": "chat-a", "mod\\u0065l": "chat-b", "messages": []}', UNKNOWN_MODEL),
}
WRONG_VALUES: dict[str, list[Any]] = {
    "stream": ["true", 1, [], {}],
    "temperature": [-0.1, 2.1, 1e300, "1", [1], True],
    "top_p": [-1, 1.5, "x"],
    "max_tokens": [0, -1, -(2**63), 1.5, "10", [10]],
    "max_completion_tokens": [0, -1],
    "n": [0, -1, 129, 2**70, "1"],
    "seed": [2**64, "x", 0.5],
    "stop": [1, {}, [1], ["x"] * 17],
    "presence_penalty": [-2.1, 2.1],
    "top_logprobs": [-1, 21],
    "stream_options": [1, [], "x"],
}
ENCODED = {
    "gzip": (b"gzip", gzip.compress(BODY)),
    "deflate": (b"deflate", zlib.compress(BODY)),
    "brotli": (b"br", b"\x8b\x03\x80" + BODY),
    "zstd": (b"zstd", b"\x28\xb5\x2f\xfd" + BODY),
    "twice": (b"gzip, gzip", gzip.compress(gzip.compress(BODY))),
    "upper case": (b"GZIP", gzip.compress(BODY)),
    "unknown": (b"rot13", BODY),
    "bomb": (b"gzip", gzip.compress(b" " * 200 * MEBIBYTE)),
}


async def refused(data: bytes) -> tuple[int, dict[str, Any]]:
    """Status and error object of a request; fails if an engine got any of it."""
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, data)
        assert engine.requests == []
    assert len(got.statuses) == 1, got
    return got.statuses[0], got.error


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_what_is_not_a_json_object(body: bytes) -> None:
    status, error = await refused(request(body))
    assert (status, error["code"]) == JSON
    assert len(error["message"]) < 200


@pytest.mark.parametrize(("body", "expected"), WRONG_MODEL.values(), ids=WRONG_MODEL)
async def test_models_that_are_none(body: bytes, expected: tuple[int, str]) -> None:
    status, error = await refused(request(body))
    assert (status, error["code"], error["param"]) == (*expected, "model")
    assert len(error["message"]) < 500


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG_VALUES.items() for value in values]
)
async def test_values_out_of_type_and_range(field: str, value: Any) -> None:
    status, error = await refused(request(json.dumps(chat(**{field: value})).encode()))
    assert (status, error["code"], error["param"]) == (*VALUE, field)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
async def test_numbers_that_no_computer_holds(number: str) -> None:
    status, error = await refused(request(BODY[:-1] + b', "temperature": %b}' % number.encode()))
    assert status == 400
    assert error["code"] in ("invalid_json", "invalid_value")


@pytest.mark.parametrize(("coding", "body"), ENCODED.values(), ids=ENCODED)
async def test_compressed_bodies(coding: bytes, body: bytes) -> None:
    status, error = await refused(request(body, fields=b"content-encoding: %b\r\n" % coding))
    assert (status, error["code"]) == ENCODING


@pytest.mark.parametrize("data", [request(b"x" * 2000), chunked(b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")])
async def test_bodies_that_are_too_large(data: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)], max_body_bytes=1000) as router:
        got = await send(router.router.port, data)
    assert (got.statuses, got.error["code"]) == ([413], "request_too_large")
    assert engine.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        b"".join(b"x-%d: y\r\n" % number for number in range(10_000)),
        b"".join(b"x: y\r\n" for _ in range(1000)),
        b"x: " + b"y" * 100_000 + b"\r\n",
        b"y" * 100_000 + b": x\r\n",
        b"cookie: " + b"a=b; " * 20_000 + b"\r\n",
    ],
    ids=["10,000 fields", "one field 1,000 times", "long value", "long name", "cookies"],
)
async def test_headers_that_are_too_large(fields: bytes) -> None:
    status, error = await refused(request(fields=fields))
    assert (status, error["code"]) == (431, "headers_too_large")


@pytest.mark.parametrize(
    "field",
    [
        b"authorization: Bearer " + b"x" * 10_000,
        b"authorization: Basic dXNlcjpwYXNz",
        b"authorization: Bearer",
        b"authorization: Bearer \xff\xfe",
        b"authorization: Bearer a b",
        b"x-api-key: \xff",
        b"authorization: AWS4-HMAC-SHA256 Credential=x",
    ],
)
async def test_credentials_that_are_none(field: bytes) -> None:
    status, error = await refused(request().replace(AUTH, field + b"\r\n", 1))
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_a_request_id_of_the_callers_cannot_forge_a_header() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, request(fields=b"x-request-id: a b\tc<script>\r\n"))
    assert got.statuses == [200]
    assert b"script" not in got.raw
    assert "script" not in engine.requests[0].headers["x-request-id"]


async def test_texts_are_the_engines_to_read() -> None:
    """What is valid JSON and no field of the router's passes as it is."""
    texts = ['"\\u0000"', '"\\ud83d\\ude00"', '"' + "x" * 4096 + '"', '[{"type": "text", "text": "Hi"}]', "null"]
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        for text in texts:
            assert (await send(router.router.port, request(with_text(text)))).statuses == [200]
    assert [received.body for received in engine.requests] == [with_text(text) for text in texts]


async def test_characters_may_lie_anywhere_in_a_body() -> None:
    """The check of UTF-8 goes by slices of 64 KiB; a character across their border is whole all the same."""
    bodies = [json.dumps(chat(metadata={"note": " " * shift + "é" * 70_000}), ensure_ascii=False) for shift in range(2)]
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        for body in bodies:
            assert (await send(router.router.port, request(body.encode()))).statuses == [200]
    assert [received.body.decode() for received in engine.requests] == bodies
