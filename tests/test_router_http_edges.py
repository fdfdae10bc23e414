"""What HTTP/1.1 allows works; what it forbids is refused in the envelope, and never reaches an engine."""

import asyncio
import json

import pytest

from tests.fakes.upstream import upstream
from tests.routers import KEY, chat, model, running_router

pytestmark = pytest.mark.local

BODY = json.dumps(chat()).encode()
AUTH = f"authorization: Bearer {KEY}\r\n".encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + AUTH


def post(body: bytes = BODY, extra: bytes = b"", version: bytes = b"1.1") -> bytes:
    head = b"POST /v1/chat/completions HTTP/%b\r\nhost: x\r\n%b%bcontent-length: %d\r\n\r\n"
    return head % (version, AUTH, extra, len(body)) + body


async def talk(port: int, *sent: bytes, until: bytes | None = None, wait: float = 5.0) -> bytes:
    """Send pieces on one connection; return what comes until ``until`` was seen or the router closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        async with asyncio.timeout(wait):
            for piece in sent:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            while until is None or until not in got:
                data = await reader.read(65536)
                if not data:
                    break
                got += data
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return got


async def test_a_body_may_come_in_chunks() -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + AUTH + b"transfer-encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (BODY[:5], BODY[5:])]
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await talk(router.router.port, head, *chunks, b"0\r\n\r\n", until=b"Hello there")
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert engine.requests[0].body == BODY


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    wrong = post(b"{")
    models = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n" + AUTH + b"\r\n"
    last = post(extra=b"connection: close\r\n")
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await talk(router.router.port, post() + wrong + models + post() + last)
    statuses = [line for line in got.split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [line.split(b" ")[-2:] for line in statuses] == [
        [b"200", b"OK"],
        [b"Bad", b"Request"],
        [b"200", b"OK"],
        [b"200", b"OK"],
        [b"200", b"OK"],
    ]
    assert got.index(b"invalid_json") < got.index(b'"object":"list"') < got.rindex(b"Hello there")


async def test_a_client_that_waits_for_100_gets_it() -> None:
    head, body = post(extra=b"expect: 100-continue\r\n").split(b"\r\n\r\n")
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write(head + b"\r\n\r\n")
        interim = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(body)
        final = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
        await writer.wait_closed()
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert final.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_client_that_waits_for_100_is_refused_before_it_sends() -> None:
    head = post(extra=b"expect: 100-continue\r\n").replace(KEY.encode(), b"wrong").split(b"\r\n\r\n")[0]
    async with running_router() as router:
        got = await talk(router.router.port, head + b"\r\n\r\n", until=b"}}")
    assert got.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in got


async def test_a_client_that_waits_for_100_is_told_that_its_body_is_too_large() -> None:
    head = HEAD + b"expect: 100-continue\r\ncontent-length: 1001\r\n\r\n"
    async with running_router(max_body_bytes=1000) as router:
        got = await talk(router.router.port, head, until=b"}}")
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 1000 bytes" in got


async def test_http_1_0_gets_no_chunks() -> None:
    streamed = json.dumps(chat(stream=True)).encode()
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await talk(router.router.port, post(streamed, version=b"1.0"))
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(extra=b"transfer-encoding: chunked\r\n"),
        post(extra=b"content-length: 3\r\n"),
        post(extra=b"transfer-encoding: chunked, identity\r\n"),
        post(extra=b"bad header: x\r\n"),
        b"BREW /pot HTCPCP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["both lengths", "two lengths", "odd coding", "bad name", "not HTTP", "TLS", "bad URL"],
)
async def test_what_is_not_http_is_refused(request_bytes: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        got = await talk(router.router.port, request_bytes)
    assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n"), got
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"
    assert not engine.requests


async def test_endless_headers_are_refused() -> None:
    async with running_router() as router:
        got = await talk(router.router.port, b"POST / HTTP/1.1\r\n", b"x: " + b"y" * 70_000, until=b"}}")
    assert got.startswith(b"HTTP/1.1 431 ")
    assert b"headers_too_large" in got


async def test_a_connection_carries_many_requests() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        for _ in range(20):
            writer.write(post())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            assert b"Hello there" in await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    assert (len(engine.requests), engine.connections) == (20, 1)
