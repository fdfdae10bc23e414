"""Connections and header fields have a bound; beyond it callers are told so, and others go on as before."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from slipway_router.adapters.http.refusing import MAX_FIELDS, MAX_HEAD
from slipway_router.app.options import Features, ServerOptions
from tests.fakes.upstream import upstream
from tests.routers import KEY, chat, model, running_router

pytestmark = pytest.mark.local
BODY = json.dumps(chat()).encode()


def post(*fields: bytes) -> bytes:
    """A chat with further header fields."""
    lines = b"".join(field + b"\r\n" for field in fields)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%bcontent-length: %d\r\n\r\n"
    return head % (KEY.encode(), lines, len(BODY)) + BODY


async def ask(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
            body = await reader.readexactly(length)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return head, body


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ([b"a: b"] * (MAX_FIELDS - 3), b"200", b"Hello there"),
        ([b"a: b"] * MAX_FIELDS, b"431", b"more than 256 fields"),
        ([b"a:b"] * 10_000, b"431", b"more than 256 fields"),
        ([b"a: " + b"b" * (MAX_HEAD - 1000)], b"200", b"Hello there"),
        ([b"a: " + b"b" * MAX_HEAD], b"431", b"larger than 65536 bytes"),
        ([b"a: " + b"b" * 10_000] * 20, b"431", b"larger than 65536 bytes"),
    ],
)
async def test_headers_have_a_bound(fields: list[bytes], status: bytes, says: bytes) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        head, body = await ask(router.router.port, post(*fields))
    assert (head.split()[1], says in body) == (status, True), (head, body)
    assert len(engine.requests) == (1 if status == b"200" else 0)


async def test_one_connection_too_many_is_told_to_try_again() -> None:
    features = Features(server=ServerOptions(max_connections=3))
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)], features=features) as router,
        AsyncExitStack() as closing,
    ):
        port = router.router.port
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            closing.callback(writer.close)
        head, body = await ask(port, post())
        assert head.split()[1] == b"503"
        assert b"retry-after: 1\r\n" in head
        assert b"connection: close\r\n" in head
        assert json.loads(body)["error"]["code"] == "router_overloaded"
        await closing.aclose()
        async with asyncio.timeout(5):
            while head.split()[1] != b"200":
                head, body = await ask(port, post())
    assert len(engine.requests) == 1


async def test_a_compressed_body_is_refused_unread() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        head, body = await ask(router.router.port, post(b"content-encoding: gzip"))
    assert (head.split()[1], json.loads(body)["error"]["code"]) == (b"415", "unsupported_content_encoding")
    assert engine.requests == []
