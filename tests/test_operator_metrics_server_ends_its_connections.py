"""When the metrics API ends, so does every connection to it, however far it got."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from slipway_operator.adapters.metrics_api.authority import renewed
from slipway_operator.adapters.metrics_api.server import serving_metrics_api
from slipway_operator.adapters.metrics_api.tls import Tls
from slipway_operator.domain.metrics_api.documents import Document
from slipway_operator.domain.metrics_api.identity import FrontProxy
from slipway_operator.domain.metrics_api.queries import ValueQuery
from slipway_operator.domain.metrics_api.serving import ServiceReference

HOSTS: Final = ServiceReference("slipway-system", "metrics").hosts
IDENTITY: Final = renewed(None, HOSTS, datetime.now(UTC))
# Longer than it takes on any machine, shorter than the minute after which a handshake would be given up.
SECONDS: Final = 20
PROXY: Final = FrontProxy(IDENTITY.authorities, (), (), (), ())
PROBE: Final = b"GET /healthz HTTP/1.1\r\nHost: metrics\r\n\r\n"


class Anybody:
    async def refusal(self, review: dict[str, Any]) -> str | None:
        return None


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    def answer(query: ValueQuery) -> Document:
        return {}

    context = Tls(IDENTITY.pair, IDENTITY.authorities).context
    async with serving_metrics_api("127.0.0.1", 0, context, lambda: PROXY, Anybody(), answer) as port:
        yield port


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection in time."""
    try:
        async with asyncio.timeout(SECONDS):
            await reader.read()
    except TimeoutError:
        return False
    except (ConnectionError, ssl.SSLError):
        return True
    return True


async def closed(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def test_a_connection_that_never_says_hello() -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await stack.aclose()
        assert await ended(reader)
        await closed(writer)


async def test_a_connection_that_waits_for_its_next_request() -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving())
        context = ssl.create_default_context(cadata=IDENTITY.authorities)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOSTS[0])
        writer.write(PROBE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await stack.aclose()
        assert await ended(reader)
        await closed(writer)


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff"], ids=["not TLS", "half of it"])
async def test_others_are_served_beside_a_bad_handshake(hello: bytes) -> None:
    async with serving() as port:
        _, bad = await asyncio.open_connection("127.0.0.1", port)
        bad.write(hello)
        context = ssl.create_default_context(cadata=IDENTITY.authorities)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOSTS[0])
        writer.write(PROBE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await closed(writer, bad)


async def test_a_connection_that_does_not_answer_the_farewell_of_one_that_is_cancelled() -> None:
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        async with serving() as port:
            listening.set_result(port)
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    context = ssl.create_default_context(cadata=IDENTITY.authorities)
    with socket.create_connection(("127.0.0.1", await listening), timeout=SECONDS) as below:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=HOSTS[0])
        await asyncio.to_thread(shake_hands, below, tls, incoming, outgoing)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while await asyncio.to_thread(below.recv, 4096):
            pass


def shake_hands(below: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
    while True:
        try:
            tls.do_handshake()
            below.sendall(outgoing.read())
            return
        except ssl.SSLWantReadError:
            below.sendall(outgoing.read())
            incoming.write(below.recv(65536))
