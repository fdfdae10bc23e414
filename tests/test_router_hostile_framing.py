"""Requests whose end could be read in two ways are refused whole; nothing of or behind them reaches an engine."""

import pytest

from tests.fakes.upstream import upstream
from tests.raw_http import AUTH, BODY, HOST, chunked, request, send
from tests.routers import model, running_router

pytestmark = pytest.mark.local

SIZE = len(BODY)
WHOLE = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)
BEHIND = request()
"""A request behind the hostile one, which must not be answered."""


def length(value: bytes) -> bytes:
    return request(fields=b"content-length: %b\r\n" % value, length=False)


def coding(value: bytes) -> bytes:
    return chunked(WHOLE, coding=b"transfer-encoding: %b\r\n" % value)


LENGTHS = {
    "length and chunks": request(fields=b"transfer-encoding: chunked\r\n"),
    "chunks and length": request(WHOLE, fields=b"transfer-encoding: chunked\r\ncontent-length: 5\r\n", length=False),
    "two lengths": request(fields=b"content-length: 3\r\n"),
    "equal lengths": request(fields=b"content-length: %d\r\n" % SIZE),
    "list of lengths": length(b"%d, %d" % (SIZE, SIZE)),
    "plus": length(b"+%d" % SIZE),
    "minus": length(b"-1"),
    "hexadecimal": length(b"0x%x" % SIZE),
    "beyond 64 bits": length(b"99999999999999999999"),
    "blank inside": length(b"1 0"),
    "empty": length(b""),
}
CODINGS = {
    "unknown": coding(b"xchunked"),
    "twice": coding(b"chunked, chunked"),
    "in two fields": chunked(WHOLE, coding=b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
    "identity first": chunked(WHOLE, coding=b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n"),
    "unknown first": coding(b"cow, chunked"),
    "compressed": coding(b"gzip, chunked"),
    "chunked not last": coding(b"chunked, gzip"),
    "parameter": coding(b"chunked;q=1"),
    "quoted": coding(b'"chunked"'),
    "vertical tab": coding(b"\x0bchunked"),
    "on the next line": coding(b"\r\n chunked"),
}
FIELDS = {
    "folded": request(fields=b"x-a: b\r\n c\r\n"),
    "folded first": b"POST /v1/chat/completions HTTP/1.1\r\n x: y\r\n" + HOST + AUTH + b"\r\n",
    "bare LF": request().replace(b"\r\n", b"\n"),
    "bare LF in one line": request(fields=b"x-a: b\nx-c: d\r\n"),
    "bare CR": request(fields=b"x-a: b\rx-c: d\r\n"),
    "blank before the colon": request(fields=b"x-a : b\r\n"),
    "blank in the name": request(fields=b"x a: b\r\n"),
    "no name": request(fields=b": b\r\n"),
    "no colon": request(fields=b"x-a\r\n"),
    "NUL": request(fields=b"x-a: b\0c\r\n"),
    "control character": request(fields=b"x-a: b\1c\r\n"),
    "no host": request(host=b""),
    "two hosts": request(host=HOST + b"host: other\r\n"),
}
CHUNKS = {
    "CR in an extension": chunked(b"%x;a=\rb\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "LF in an extension": chunked(b"%x;a=\nb\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "size with prefix": chunked(b"0x%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "negative size": chunked(b"-1\r\n%b\r\n0\r\n\r\n" % BODY),
    "no size": chunked(b"\r\n%b\r\n0\r\n\r\n" % BODY),
    "size beyond 64 bits": chunked(b"fffffffffffffffff\r\n%b\r\n0\r\n\r\n" % BODY),
    "blank behind the size": chunked(b"%x \r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "blank before the size": chunked(b" %x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "LF behind the size": chunked(b"%x\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "longer than its size": chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE - 1, BODY)),
    "no end of line": chunked(b"%x\r\n%bX\r\n0\r\n\r\n" % (SIZE, BODY)),
    "length in the trailer": chunked(b"%x\r\n%b\r\n0\r\ncontent-length: 5\r\n\r\n" % (SIZE, BODY)),
}


@pytest.mark.parametrize(
    "data", (LENGTHS | CODINGS | FIELDS | CHUNKS).values(), ids=LENGTHS | CODINGS | FIELDS | CHUNKS
)
async def test_ambiguous_requests_are_refused_with_all_that_follows(data: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, data + BEHIND, answers=2)
    assert got.statuses == [400], got
    assert got.error["code"] == "invalid_http"
    assert got.closed
    assert engine.requests == []


@pytest.mark.parametrize(
    "data",
    [
        chunked(b'%x;name=value;other="quoted"\r\n%b\r\n0\r\n\r\n' % (SIZE, BODY)),
        chunked(b"000%X\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
        chunked(WHOLE, coding=b"Transfer-Encoding: CHUNKED\r\n"),
        b"\r\n" + request(),
        request(fields=b"x-a: b\xe9\r\n"),
    ],
    ids=["chunk extension", "leading zeros", "upper case", "empty line first", "Latin-1"],
)
async def test_what_is_odd_but_clear_is_served(data: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, data + BEHIND, answers=2)
    assert got.statuses == [200, 200]
    assert [received.body for received in engine.requests] == [BODY, BODY]


async def test_trailers_are_no_header_fields() -> None:
    trailer = AUTH + b"x-request-id: smuggled\r\n"
    data = chunked(b"%x\r\n%b\r\n0\r\n%b\r\n" % (SIZE, BODY, trailer)).replace(AUTH, b"", 1)
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await send(router.router.port, data)
    assert got.statuses == [401]
    assert b"smuggled" not in got.raw
    assert engine.requests == []


async def test_junk_behind_a_request_spoils_only_what_follows() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        first = await send(router.router.port, request() + request(), answers=2)
        assert first.statuses == [200, 200]
        got = await send(router.router.port, request(b"{") + b"\0\1junk\r\n\r\n" + BEHIND, answers=3)
    assert got.closed
    assert got.statuses in ([400], [400, 400])
    assert len(engine.requests) == 2


async def test_a_body_shorter_than_announced_is_never_sent_on() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)], request_timeout=0.3) as router:
        got = await send(router.router.port, request(fields=b"content-length: %d\r\n" % (SIZE + 1), length=False))
        chunks = await send(router.router.port, chunked(b"%x\r\n%b" % (SIZE + 1, BODY)))
    assert (got.statuses, chunks.statuses) == ([408], [408])
    assert got.error["code"] == chunks.error["code"] == "request_timeout"
    assert engine.requests == []
