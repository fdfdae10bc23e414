"""The server side of the hot path: a uvicorn protocol that answers inference requests itself.

Everything that is not an inference request goes to the ASGI application, as in any uvicorn server.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from slipway_router.adapters.http.cycle import Front, HotCycle
from slipway_router.adapters.http.known_heads import HeadMemory
from slipway_router.adapters.http.refusing import MAX_HEAD, RefusingProtocol, too_large
from slipway_router.adapters.http.rules import origin_form, without_upgrade
from slipway_router.domain.api.table import SOCKET_PATHS
from slipway_router.domain.errors import ErrorCode, Problem

MAX_PIPELINE: Final = 32
"""Requests that a client may send ahead of the answers."""


class RouterProtocol(RefusingProtocol):
    """One client connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        front: Front,
        loop: asyncio.AbstractEventLoop,
        max_connections: int,
    ) -> None:
        super().__init__(config, server_state, loop, max_connections)
        self._front = front
        self._hot: HotCycle | None = None
        """The newest request, if it is a hot one: the parser's body pieces belong to it."""
        self._active: HotCycle | None = None
        """The hot request that is being answered."""
        self._peer = ""
        self._between = True
        """Whether the parser stands before the first byte of a request."""
        self._begun = 0
        """Requests that began in the read being parsed."""
        self._memory = HeadMemory()
        self._moved = False
        """Whether the read being parsed brought more than header fields, trailers and sizes of chunks."""
        self._again = b""
        """Head of a request that asks for another protocol, as if it did not."""
        self._ignoring = False
        """Whether the request being parsed came after the connection's end was decided."""

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note where the caller is."""
        self._reading_since = self.loop.time()
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the request under way."""
        active, self._active = self._active, None
        if active is not None:
            active.leave()
        for cycle, _ in self.pipeline:
            if isinstance(cycle, HotCycle):
                cycle.leave()
        if isinstance(self.cycle, HotCycle):
            self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The caller reads slower than answers come."""
        super().pause_writing()
        if self._active is not None and self._active.running is not None:
            self._active.running.pause()

    def resume_writing(self) -> None:
        """The caller has caught up."""
        super().resume_writing()
        if self._active is not None and self._active.running is not None:
            self._active.running.resume()
        if self._held_since is not None:
            self._held_since = None
            self._go_on()

    # Reading.

    def data_received(self, data: bytes) -> None:
        """Parse; on what is not HTTP, answer in the envelope and hang up."""
        if self._lingering or (self._between and self._take_known(data)):
            return
        is_start = self._between
        self._begun = 0
        self._moved = False
        self._read_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._again:
                self._parse_again(data[upgrade.args[0] :])
                return
            if self._should_upgrade():
                self._become_a_socket()
                return
            if (cycle := self._newest()) is not None:
                cycle.keep_alive = False  # Whatever follows is not HTTP/1.1.
        except httptools.HttpParserCallbackError as error:
            self._on_callback_error(error)
        except httptools.HttpParserError as error:
            self.hang_up(Problem(ErrorCode.INVALID_HTTP, f"This is not a valid HTTP/1.1 request: {error}."))
        if self._in_head or not self._moved:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self.hang_up(too_large())
        if is_start and self._between:
            self._learn(data)

    def _parse_again(self, rest: bytes) -> None:
        """Parse the request without what it said of another protocol: the parser leaves its body to that one."""
        head, self._again = self._again, b""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # As uvicorn has it.
        self.data_received(head + rest)

    def _take_known(self, data: bytes) -> bool:
        """Take a request without the parser, if it comes in one piece with the head of an earlier one."""
        earlier = self._newest()
        if self._leaving or self.flow.write_paused or (earlier is not None and not earlier.response_complete):
            return False
        body = self._memory.body_of(data)
        known = self._memory.known
        if body is None or known is None or self.transport.is_closing():
            return False
        exchange = self._front.open(known.method, known.path, known.fields, self._peer)
        if exchange is None:
            return False
        self._idle_since = None
        cycle = HotCycle(self._front, exchange, self.transport, self._on_hot_done)
        self.cycle = self._hot = self._active = cycle
        cycle.take_whole(body)
        return True

    def _learn(self, data: bytes) -> None:
        """Remember the head of ``data``, if that was one request."""
        cycle = self._hot
        if cycle is not None and cycle.keep_alive and self._begun == 1 and not self._ignoring:
            path = self.url.partition(b"?")[0]
            self._memory.learn(data, self.parser.get_method(), path, self.headers, cycle.size)

    def _should_upgrade(self) -> bool:
        """Whether the request being parsed begins a WebSocket; elsewhere, ``Upgrade`` is ignored, as it may be."""
        return self.url.partition(b"?")[0] in SOCKET_PATHS and super()._should_upgrade()

    def _become_a_socket(self) -> None:
        """Hand the connection to a protocol for WebSockets, unless there is something else to answer on it."""
        cycle = self._newest()
        if self._ignoring or self.transport.is_closing():
            return
        if cycle is not None and not cycle.response_complete:
            self.transport.abort()
            return
        self.handle_websocket_upgrade()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Start afresh; the ASGI scope is made only when it is needed."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._hot = None
        self._between = False
        self._begun += 1
        self._head_bytes = 0
        self._in_head = True
        self._idle_since = None
        self._reading_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Take a hot request; hand any other to uvicorn."""
        self._in_head = False
        self._moved = True
        self._ignoring = self._lingering or self.transport.is_closing() or not self._is_acceptable()
        if self._ignoring:
            return
        path = self.url.partition(b"?")[0]
        exchange = self._front.open(self.parser.get_method(), path, self.headers, self._peer)
        if exchange is None:
            self._prepare_scope()
            super().on_headers_complete()
            return
        http_1_1 = self.parser.get_http_version() == "1.1"
        cycle = self._hot = HotCycle(
            self._front,
            exchange,
            self.transport,
            self._on_hot_done,
            keep_alive=http_1_1 and not self._leaving and self.parser.should_keep_alive(),
            chunks=http_1_1,
            expects_continue=self.expect_100_continue,
        )
        earlier = self._newest()
        self.cycle = cycle
        # Answers that nobody reads pile up in the transport, so the next one waits until they have gone out.
        if (earlier is None or earlier.response_complete) and not self.flow.write_paused:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _is_acceptable(self) -> bool:
        """Whether the request whose header is there is to be answered; else what must be done has been done."""
        problem = self._head_problem()
        if problem is not None:
            self.hang_up(problem)
            return False
        if len(self.pipeline) >= MAX_PIPELINE:
            self.transport.abort()
            return False
        self.url = origin_form(self.url)
        method = self.parser.get_method()
        if self.parser.should_upgrade() and method != b"CONNECT" and not self._should_upgrade():
            self._again = without_upgrade(method, self.url, self.parser.get_http_version(), self.headers)
            return False
        return True

    def _prepare_scope(self) -> None:
        url, headers, expects_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects_continue
        self.headers.extend(headers)

    def on_body(self, body: bytes) -> None:
        """Give a piece of the body to its request."""
        self._moved = True
        self._head_bytes = 0
        if self._ignoring:
            return
        if self._hot is not None:
            self._hot.take_body(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._between = True
        self._reading_since = None
        self._moved = True
        if self._ignoring:
            return
        if self._hot is not None:
            self._hot.end_body()
        else:
            super().on_message_complete()

    # Whose turn it is.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if isinstance(cycle, HotCycle):
            self._active = cycle
            cycle.take_turn()
        else:
            super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Start the next request, if one is waiting, as soon as the caller keeps up with the answers."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._held_since = self.loop.time()
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()

    def _on_hot_done(self, cycle: HotCycle) -> None:
        if self._active is cycle:
            self._active = None
        if self.transport.is_closing():
            return
        if cycle.keep_alive:
            self.on_response_complete()
        elif cycle.body_complete:
            self.transport.close()
        else:
            self._linger()
