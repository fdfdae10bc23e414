"""The router without sockets: requests and answers go straight into its protocols, in the same process.

What is left is the router's own work, without the kernel's, and one turn of an event loop that has nothing to wait for
for every `CALLERS` requests. So it can be repeated thousands of times on a busy machine, and profiled.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Final

from benchmarks.router import streams_engine
from benchmarks.router.slipway import PLENTY, sources_of
from benchmarks.router.traffic import ANSWER, CHUNKS, KEY, PATH, body
from slipway_router.app.router import serving
from slipway_router.app.router_options import RouterOptions
from slipway_router.domain.callers.keys import Limits
from tests.fakes.wires import Wire

CALLERS: Final = 16
_CONNECT_TURNS: Final = 10
"""Turns of the loop in which a connection to an engine is there."""


class _Server:
    sockets = ()

    def close(self) -> None:
        """Nothing listens."""


class WireLoop(asyncio.SelectorEventLoop):
    """An event loop whose connections are wires."""

    def __init__(self) -> None:
        super().__init__()
        self.factories: list[Callable[[], asyncio.Protocol]] = []
        """Of the servers that were started."""
        self.engines: list[Wire] = []
        """Connections that were made."""

    async def create_server(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        self.factories.append(factory)
        return _Server()

    async def create_connection(self, factory: Any, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        self.engines.append(Wire(factory()))
        return self.engines[-1], self.engines[-1].protocol


class HotPath:
    """Callers' connections to a router, and the engines behind it."""

    def __init__(self, loop: WireLoop) -> None:
        self._loop = loop
        self._callers = [Wire(loop.factories[0]()) for _ in range(CALLERS)]

    async def connect(self) -> None:
        """Ask so often that all connections to engines are there."""
        for turns in (_CONNECT_TURNS, 1, 1):
            await self._ask(REQUEST, turns)
            self._answer((PLAIN_ANSWER,))

    async def ask(self, request: bytes, *reads: bytes) -> None:
        """One request of each caller, all in one turn of the loop, and the engine's answer to each in ``reads``."""
        await self._ask(request, 1)
        self._answer(reads)
        for caller in self._callers:
            if not caller.written:
                raise AssertionError("no answer came")
            caller.written.clear()

    async def _ask(self, request: bytes, turns: int) -> None:
        for caller in self._callers:
            caller.protocol.data_received(request)
        for _ in range(turns):
            await asyncio.sleep(0)

    def _answer(self, reads: tuple[bytes, ...]) -> None:
        for wire in self._loop.engines:
            if wire.written:
                wire.written.clear()
                for data in reads:
                    wire.protocol.data_received(data)


@asynccontextmanager
async def hot_path(
    access_log: BinaryIO | None, options: RouterOptions | None = None, limits: Limits = PLENTY
) -> AsyncIterator[HotPath]:
    """A router with two replicas and one key. To be run in a `WireLoop`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WireLoop)
    sources = sources_of([9001, 9002], limits)
    async with serving(sources, host="127.0.0.1", port=1, access_log=access_log, options=options):
        path = HotPath(loop)
        await path.connect()
        yield path


def _request(stream: bool) -> bytes:
    content = body(stream)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _stream() -> tuple[bytes, ...]:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":212,"completion_tokens":%d}}\n\n' % CHUNKS
    frame = b"%x\r\n%b\r\n" % (len(usage), usage)
    return streams_engine.HEAD, *(streams_engine.chunk() for _ in range(CHUNKS)), frame + streams_engine.END


REQUEST: Final = _request(stream=False)
"""As wrk sends it."""
STREAM_REQUEST: Final = _request(stream=True)
STREAMED_ANSWER: Final = _stream()
"""One read for each chunk."""
PLAIN_ANSWER: Final = (
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 14:00:00 GMT\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(ANSWER)}\r\nConnection: keep-alive\r\n\r\n{ANSWER}"
).encode()
"""As nginx, in the engine's place, sends it."""
