"""Inference calls that the router makes itself, for callers of its simple API, sessions and WebSockets.

They go through the same pipeline as those from outside, so keys, limits, accounts, cache and waking hold for them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from slipway_router.adapters.downstream import Running
from slipway_router.adapters.http.cycle import Front
from slipway_router.domain.api.routes import Route
from slipway_router.domain.exchange import Headers
from slipway_router.domain.headers import fields_of

HIGH_WATER: Final = 64 * 1024
"""Bytes of an answer that wait to be read before the engine is held back."""
LOW_WATER: Final = 16 * 1024
_PASSED_ON: Final = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"traceparent",
        b"tracestate",
        b"cache-control",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)
"""Header fields that say who calls, and how."""


class AnswerBrokenError(Exception):
    """An answer ended before it was complete."""


class InnerAnswer:
    """An answer that arrives. The `Downstream` of its exchange; holds the engine back when it is not read."""

    def __init__(self) -> None:
        self.status = 0
        """0 until it has begun."""
        self.headers: Headers = ()
        self._running: Running | None = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._ended = False
        self._broken = False
        self._changed = asyncio.Event()

    # What the pipeline says (Downstream).

    def begin(self, status: int, headers: Headers, length: int | None, lines: bytes = b"") -> None:
        """The answer begins."""
        self.status, self.headers = status, [*fields_of(lines), *headers]
        self._changed.set()

    def write(self, pieces: Sequence[bytes], last: bool) -> None:
        """More of it."""
        self._pieces.extend(piece for piece in pieces if piece)
        self._size += sum(map(len, pieces))
        self._ended = last
        self._changed.set()
        if not last and self._size > HIGH_WATER and not self._paused:
            self._paused = True
            if self._running is not None:
                self._running.pause()

    def abort(self) -> None:
        """There will be no more of it."""
        self._ended = self._broken = True
        self._changed.set()

    # What the reader says.

    def attach(self, running: Running | None) -> None:
        """Know what to hold back and to cancel."""
        self._running = running
        if running is not None and self._paused:
            running.pause()

    def cancel(self) -> None:
        """Nobody wants it any more; the engine stops."""
        running, self._running = self._running, None
        if running is not None and not self._ended:
            self._ended = self._broken = True
            running.cancel()

    async def begun(self) -> None:
        """Wait until there is a status.

        Raises:
            AnswerBrokenError: there will be none.
        """
        while not self.status:
            await self._more()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body.

        Raises:
            AnswerBrokenError: it ended before it was complete.
        """
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                if self._paused and self._size <= LOW_WATER:
                    self._paused = False
                    if self._running is not None:
                        self._running.resume()
                yield piece
            if self._ended and not self._broken:
                return
            await self._more()

    async def body(self) -> bytes:
        """All of it; raises as `pieces` does."""
        return b"".join([piece async for piece in self.pieces()])

    async def _more(self) -> None:
        if self._broken:
            raise AnswerBrokenError
        self._changed.clear()
        await self._changed.wait()


class InnerCalls:
    """Sends requests into the pipeline."""

    def __init__(self, front: Front) -> None:
        self._front = front

    @asynccontextmanager
    async def open(
        self, route: Route, body: bytes, headers: Headers, peer: str, request_id: str
    ) -> AsyncIterator[InnerAnswer]:
        """The answer to ``body`` on ``route``, as the caller who sent ``headers`` from ``peer`` would get it.

        It has begun. When the block is left before it has ended, the engine's work is stopped.

        Raises:
            AnswerBrokenError: there is no answer.
        """
        fields = [field for field in headers if field[0] in _PASSED_ON]
        fields += [(b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
        exchange = self._front.open(route.method, route.path.encode(), fields, peer)
        assert exchange is not None
        answer = InnerAnswer()
        problem = self._front.screen(exchange)
        if problem is not None:
            self._front.refuse(exchange, problem, answer)
        else:
            # Counted, but never refused: the caller's own body was let in, and this one is as large.
            self._front.bodies.size += len(body)
            exchange.body = body
            answer.attach(self._front.run(exchange, answer))
        try:
            await answer.begun()
            yield answer
        finally:
            answer.cancel()
