"""Hostile requests leave nothing behind: after a thousand of each kind the router is as large as before."""

import asyncio
import gc
import gzip
import os
from pathlib import Path

import pytest

from tests.fakes.upstream import upstream
from tests.raw_http import AUTH, chunked, request, send
from tests.routers import RouterUnderTest, model, running_router

pytestmark = pytest.mark.local

REPEATS = 1000
WARM_UP = 200
AT_ONCE = 8
ALLOWED_BYTES = 8 * 1024 * 1024
"""Of growth: 8 KiB kept of each request would be too much already."""

KINDS = {
    "junk": b"\0\1\2 junk\r\n\r\n",
    "deep JSON": request(b"[" * 20_000),
    "large name": request(b'{"model": "' + b"m" * 20_000 + b'"}'),
    "unknown models": request(b'{"model": "@", "messages": []}'),
    "unknown keys": request().replace(AUTH, b"authorization: Bearer @\r\n"),
    "unknown paths": request(target=b"/v1/@"),
    "large header": request(fields=b"x: " + b"y" * 70_000 + b"\r\n"),
    "many fields": request(fields=b"x-@: y\r\n" * 1000),
    "compressed": request(gzip.compress(b" " * 1_000_000), fields=b"content-encoding: gzip\r\n"),
    "bad chunks": chunked(b"20\r\n" + b"x" * 64),
    "cut off": request(fields=b"content-length: 100000\r\n", length=False)[:-5],
    "too large": request(b"x" * 100_000),
    "traces": request(fields=b"traceparent: @\r\ntracestate: @=@\r\nx-request-id: @\r\n"),
}


def resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def leave(port: int, data: bytes) -> None:
    """Send ``data`` and go."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def repeat(router: RouterUnderTest, kind: str, count: int) -> None:
    """Send requests of a kind, with another number in place of each ``@``."""
    left, speak = iter(range(count)), leave if kind == "cut off" else send

    async def sender() -> None:
        for number in left:
            await speak(router.router.port, KINDS[kind].replace(b"@", b"%d" % number))

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_thousand_of_each_kind_leave_nothing(kind: str) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)], max_body_bytes=50_000) as router:
        await repeat(router, kind, WARM_UP)
        router.log.truncate(0)
        before = resident_bytes()
        await repeat(router, kind, REPEATS)
        router.log.truncate(0)
        grown = resident_bytes() - before
        served = await send(router.router.port, request())
    assert grown < ALLOWED_BYTES
    assert served.statuses == [200]
