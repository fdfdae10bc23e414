"""A request with the head of an earlier one is not parsed again; it means what the parser would have found in it.

The parser reads every request that comes in several pieces. So each conversation is held twice, with every request
in one piece and with its first byte alone, and must end the same.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response
from uvicorn.config import Config
from uvicorn.server import ServerState

from slipway_router.adapters.downstream import Downstream, Running, answer
from slipway_router.adapters.http.protocol import RouterProtocol
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.errors import Problem
from slipway_router.domain.exchange import Exchange, Fields, Headers
from slipway_router.domain.requests.bodies import Bodies
from tests.fakes.wires import Wire

ROUTE = BY_PATH[b"/v1/chat/completions"]
Seen = tuple[bytes, bytes, dict[bytes, bytes], bytes]


class Notebook:
    """A front that notes every request and answers it at once."""

    max_body_bytes = 100

    def __init__(self) -> None:
        self.bodies = Bodies()
        self.seen: list[Seen] = []
        self._opened: tuple[bytes, bytes] = (b"", b"")

    def open(self, method: bytes, path: bytes, headers: Headers | Fields, peer: str) -> Exchange:
        self._opened = (method, path)
        return Exchange(ROUTE, dict(headers), peer, "req-1", 0.0)

    def screen(self, exchange: Exchange) -> Problem | None:
        return None

    def run(self, exchange: Exchange, downstream: Downstream) -> Running | None:
        self.seen.append((*self._opened, dict(exchange.headers), bytes(exchange.body)))
        self.bodies.drop(exchange)
        downstream.begin(200, [], 2)
        downstream.write([b"ok"], last=True)
        return None

    def refuse(self, exchange: Exchange, problem: Problem, downstream: Downstream) -> None:
        answer(downstream, exchange, problem)


@asynccontextmanager
async def conversation() -> AsyncIterator[tuple[Notebook, Wire]]:
    config = Config(Response(), log_config=None, ws="none")
    config.load()
    front = Notebook()
    yield front, Wire(RouterProtocol(config, ServerState(), front, asyncio.get_running_loop(), 10))


async def outcome(requests: list[bytes], *, whole: bool) -> tuple[list[Seen], bytes, bool]:
    """What the front saw, what the caller got, and whether the connection was ended."""
    async with conversation() as (front, wire):
        for request in requests:
            for piece in (request,) if whole else (request[:1], request[1:]):
                if not wire.is_closing():
                    wire.protocol.data_received(piece)
        return front.seen, b"".join(wire.written), wire.is_closing()


LINES = st.sampled_from(
    [
        b"POST /v1/chat/completions HTTP/1.1",
        b"POST /v1/chat/completions?a=b HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.0",
        b"POST http://x/v1/chat/completions HTTP/1.1",
        b"PUT /v1/chat/completions HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\nPOST /admin HTTP/1.1",
        b"post /v1/chat/completions HTTP/1.1",
    ]
)
FIELDS = st.sampled_from(
    [
        b"host: x",
        b"Authorization: Bearer a",
        b"authorization: Bearer b",
        b"x-odd:  \tblanks \t",
        b"x-empty:",
        b"connection: close",
        b"connection: keep-alive",
        b"connection: upgrade\r\nupgrade: h2c",
        b"expect: 100-continue",
        b"transfer-encoding: chunked",
        b"transfer-encoding: identity",
        b"content-length: 2",
        b"Content-Length: +2",
        b"content-length: 02",
        b"content-length : 2",
        b"x-folded: a\r\n content-length: 5",
        b"x-folded: a\r\n\tb",
        b"bad name: x",
        b"x-bare: a\nb: c",
        b"x-return: a\rb",
        b"x-nul: \0",
        b": nothing",
        b"no colon",
    ]
)
BODIES = st.sampled_from([b"", b"{}", b"0123456789", b"{}\r\n\r\n{}", b"2\r\n{}\r\n0\r\n\r\n", b"x" * 101])
LENGTHS = st.sampled_from([b"content-length: %d", b"Content-Length:%d", b"CONTENT-LENGTH: \t%d ", b"x-length: %d"])


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Requests of which many have nearly the head of the one before."""
    requests = []
    start, fields, length = draw(LINES), draw(st.lists(FIELDS, max_size=2)), draw(LENGTHS)
    for _ in range(draw(st.integers(2, 6))):
        change = draw(st.integers(0, 9))
        if change == 0:
            start = draw(LINES)
        elif change == 1:
            fields = draw(st.lists(FIELDS, max_size=3))
        elif change == 2:
            length = draw(LENGTHS)
        body = draw(BODIES)
        said = max(0, len(body) + draw(st.sampled_from([0, 0, 0, 0, 0, -1, 1])))
        at = draw(st.integers(0, len(fields))) if change == 3 else len(fields)
        lines = [start, *fields[:at], length % said, *fields[at:]]
        requests.append(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    return requests


@settings(max_examples=400, deadline=None)
@given(conversations())
def test_however_the_bytes_are_cut(requests: list[bytes]) -> None:
    async def both() -> None:
        assert await outcome(requests, whole=True) == await outcome(requests, whole=False)

    asyncio.run(both())


async def test_a_known_head_is_not_parsed_again_but_compared() -> None:
    head = b"POST /v1/chat/completions?q HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n"
    async with conversation() as (front, wire):
        for key, body in ((b"a", b"{}"), (b"a", b"0123456789"), (b"b", b"0123456789"), (b"b", b"")):
            wire.protocol.data_received(head % (key, len(body)) + body)
    assert [
        (path, fields[b"authorization"], fields[b"content-length"], body) for _, path, fields, body in front.seen
    ] == [
        (b"/v1/chat/completions", b"Bearer a", b"2", b"{}"),
        (b"/v1/chat/completions", b"Bearer a", b"10", b"0123456789"),
        (b"/v1/chat/completions", b"Bearer b", b"10", b"0123456789"),
        (b"/v1/chat/completions", b"Bearer b", b"0", b""),
    ]
