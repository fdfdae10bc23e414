"""A hot request on its connection: gathers the body, runs the pipeline, writes the answer.

It takes the place of uvicorn's request-response cycle, so that both kinds wait their turn in one queue when a client
sends requests without waiting for answers.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from slipway_router.adapters.downstream import Downstream, Running
from slipway_router.domain.errors import Problem
from slipway_router.domain.exchange import Exchange, Fields, Headers
from slipway_router.domain.requests.bodies import Bodies, too_large, too_many

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_NO_BODY: Final = frozenset({204, 304})


class Front(Protocol):
    """The pipeline, as servers see it."""

    max_body_bytes: int
    bodies: Bodies

    def open(self, method: bytes, path: bytes, headers: Headers | Fields, peer: str) -> Exchange | None:
        """The exchange for a request on a hot path; None for everything else."""
        ...

    def screen(self, exchange: Exchange) -> Problem | None:
        """What is wrong with a request, as far as its header tells."""
        ...

    def run(self, exchange: Exchange, downstream: Downstream) -> Running | None:
        """Answer a request, now or by and by. None if it is answered already."""
        ...

    def refuse(self, exchange: Exchange, problem: Problem, downstream: Downstream) -> None:
        """Answer with an error."""
        ...


class HotCycle(RequestResponseCycle):
    """One request, and its answer."""

    # Declared here, too, since what is only the base class's is looked up in a dict where this is compiled.
    transport: asyncio.Transport
    keep_alive: bool
    response_complete: bool
    disconnected: bool
    body_complete: bool

    def __init__(
        self,
        front: Front,
        exchange: Exchange,
        transport: asyncio.Transport,
        on_done: Callable[["HotCycle"], None],
        *,
        keep_alive: bool = True,
        chunks: bool = True,
        expects_continue: bool = False,
    ) -> None:
        # Not super().__init__(): only the attributes below are used of a cycle that waits in uvicorn's queue.
        self.transport = transport
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.body_complete = False
        self.running: Running | None = None
        self._front = front
        self._exchange = exchange
        self._on_done = on_done
        self._chunks = chunks
        self._expects_continue = expects_continue
        self._problem = front.screen(exchange)
        self.size = 0
        """Bytes of the body so far."""
        self._its_turn = False
        self._head = b""
        self._chunked = False

    # The request.

    def take_turn(self) -> None:
        """All earlier requests of the connection are answered."""
        self._its_turn = True
        if self._expects_continue and not self.body_complete:
            if self._problem is not None:
                self._refuse(self._problem)
                return
            self.transport.write(_CONTINUE)
        if self.body_complete:
            self._run()

    def take_whole(self, body: bytes) -> None:
        """The request came in one piece, and it is its turn."""
        self._its_turn = True
        self.take_body(body)
        self.body_complete = True
        if not self.response_complete:
            self._run()

    def take_body(self, piece: bytes) -> None:
        """Keep a piece of the body; nothing is kept of a request that will be refused."""
        self.size += len(piece)
        limit = self._front.max_body_bytes
        if self.size > limit:
            self._stop_taking(too_large(limit))
        elif self._problem is None and not self._front.bodies.add(self._exchange, piece):
            self._stop_taking(too_many())

    def _stop_taking(self, problem: Problem) -> None:
        self._front.bodies.drop(self._exchange)
        self._problem = problem
        if self._its_turn and not self.response_complete:
            self._refuse(problem)

    def interrupt(self, problem: Problem) -> bool:
        """Refuse a request that is still coming in; False if it is not, or not yet its turn."""
        if self.body_complete or not self._its_turn or self.response_complete:
            return False
        self._stop_taking(problem)
        return True

    def end_body(self) -> None:
        """The request is complete."""
        self.body_complete = True
        if self._its_turn and not self.response_complete:
            self._run()

    def _run(self) -> None:
        if self._problem is not None:
            self._refuse(self._problem)
            return
        self.running = self._front.run(self._exchange, self)

    def _refuse(self, problem: Problem) -> None:
        self.keep_alive = self.keep_alive and self.body_complete
        self._front.refuse(self._exchange, problem, self)

    def leave(self) -> None:
        """The caller is gone."""
        self.disconnected = True
        running, self.running = self.running, None
        if running is not None:
            running.cancel()
        self._front.bodies.drop(self._exchange)

    # The answer (Downstream).

    def begin(self, status: int, headers: Headers, length: int | None, lines: bytes = b"") -> None:
        """Keep the head of the answer, to go out with the first piece."""
        head = [STATUS_LINE[status], lines]
        for name, value in headers:
            head += (name, b": ", value, b"\r\n")  # Joined in the end: formatting each takes longer.
        if status not in _NO_BODY:
            if length is not None:
                head += (b"content-length: ", str(length).encode(), b"\r\n")
            elif self._chunks:
                self._chunked = True
                head.append(_CHUNKED)
            else:
                self.keep_alive = False  # The end of the connection is the end of the body.
        if not self.keep_alive:
            head.append(_CLOSE)
        head.append(b"\r\n")
        self._head = b"".join(head)

    def write(self, pieces: Sequence[bytes], last: bool) -> None:
        """Write pieces of the body, as one chunk where chunks are used."""
        out = [self._head, *pieces]
        self._head = b""
        if self._chunked:
            size = 0
            for piece in pieces:
                size += len(piece)
            if size:
                out.insert(1, b"%x\r\n" % size)
                out.append(b"\r\n")
            if last:
                out.append(_LAST_CHUNK)
        if not self.transport.is_closing():
            self.transport.write(b"".join(out))
        if last:
            self._finish()

    def abort(self) -> None:
        """Cut the connection: to a caller who waits for more, nothing else says that the answer is broken."""
        self.response_complete = True
        self.running = None
        self.transport.abort()

    def _finish(self) -> None:
        self.response_complete = True
        self.running = None
        self._on_done(self)
