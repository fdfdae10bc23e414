"""A kept-alive HTTP/1.1 connection to an engine, for one request at a time."""

import asyncio
from typing import Final, Protocol

import httptools

from slipway_router.adapters.engines.answer_heads import AnswerHeads, HeadReader, ResponseHead
from slipway_router.domain.exchange import Body
from slipway_router.domain.requests.editing import Pieces

MAX_HEAD: Final = 65536
"""Bytes of an engine's response header; more is a failure."""
_JOIN_LIMIT: Final = 65536
"""Bytes of a request up to which copying it into one piece is cheaper than a second write."""
_SLICE: Final = 262144
"""Bytes of a large body that are written at a time: what a transport cannot send at once it copies, or encrypts."""
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class ResponseHandler(Protocol):
    """Whoever sent the request."""

    def received(self, head: ResponseHead | None, pieces: list[bytes], complete: bool) -> None:
        """What one read from the socket brought: the head (once), pieces of the body, the end."""
        ...

    def lost(self, error: Exception) -> None:
        """The connection ended before the answer did."""
        ...


class EngineConnection(asyncio.Protocol):
    """Sends a request, hands the answer over piece by piece as it comes in, never holds more than one read."""

    __slots__ = (
        "_complete",
        "_framed",
        "_handler",
        "_head",
        "_head_bytes",
        "_headers",
        "_heads",
        "_keep",
        "_length",
        "_parser",
        "_paused",
        "_pieces",
        "_transport",
        "_unsent",
        "_write_paused",
        "closed",
        "idle_since",
        "used",
    )

    _transport: asyncio.Transport

    def __init__(self, heads: AnswerHeads) -> None:
        self._heads = HeadReader(heads)
        self.closed = False
        self.used = False
        """Whether it has carried a request already, so that the engine may be about to close it."""
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._handler: ResponseHandler | None = None
        self._paused = False
        self._write_paused = False
        self._unsent: list[Body | memoryview] = []
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: ResponseHead | None = None
        self._head_bytes = 0
        self._length: int | None = None
        self._framed = False
        self._pieces: list[bytes] = []
        self._complete = False
        self._keep = False

    # What the sender does.

    @property
    def usable(self) -> bool:
        """Whether a request can be sent, as far as this side knows."""
        return not self.closed and not self._transport.is_closing()

    def take(self, handler: ResponseHandler, request: Pieces) -> None:
        """Take a request, given in pieces, for `send` to send; its answer goes to ``handler``."""
        self._reset()
        self._handler = handler
        size = 0
        for piece in request:
            size += len(piece)
        self._unsent = [b"".join(request)] if size <= _JOIN_LIMIT else list(reversed(request))

    def send(self) -> None:
        """Send what was taken, as fast as the engine reads it."""
        unsent = self._unsent
        while unsent and not self._write_paused:
            piece = unsent.pop()
            if len(piece) > _SLICE:
                view = memoryview(piece)
                unsent.append(view[_SLICE:])
                piece = view[:_SLICE]
            self._transport.write(piece)

    def release(self) -> bool:
        """Let go of the handler. True if the connection can carry another request; otherwise it is cut."""
        self._handler = None
        self.used = True
        # What is left of a request that was answered early would stand before the next one.
        sent = not self._unsent and not self._transport.get_write_buffer_size()
        if self._complete and self._keep and sent and self.usable:
            if self._paused:
                self.resume()
            return True
        self.abort()
        return False

    def hang_up(self, handler: ResponseHandler) -> bool:
        """Close this side, and hand what still comes to ``handler``; False if the connection can only be cut.

        That is so behind TLS, and as long as the request is not sent.
        """
        transport = self._transport
        if not self.usable or self._complete or self._unsent or not transport.can_write_eof():
            return False
        if transport.get_write_buffer_size():
            return False
        self._handler = handler
        transport.write_eof()
        self.resume()
        return True

    def abort(self) -> None:
        """Cut the connection, so that the engine stops working at once."""
        self._handler = None
        self._unsent = []
        if not self.closed:
            self.closed = True
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading: the caller is slower than the engine."""
        if not self._paused and not self.closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self.closed:
            self._paused = False
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the handler, unless the answer was one that ends with the connection."""
        self.closed = True
        self._unsent = []
        handler, self._handler = self._handler, None
        if handler is None or self._complete:
            return
        if self._head is not None and not self._framed and exc is None:
            self._complete = True
            handler.received(None, [], True)
        else:
            handler.lost(exc or ConnectionResetError("the engine closed the connection"))

    def pause_writing(self) -> None:
        """The engine reads slower than the request is sent."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._write_paused = False
        self.send()

    def data_received(self, data: bytes) -> None:
        """Parse one read and hand over what was in it."""
        handler = self._handler
        if handler is None or self._complete:
            self.abort()  # Nobody asked for these bytes.
            return
        had_head = self._head is not None
        if not had_head and not self._head_bytes and (whole := self._heads.read(data)) is not None:
            self._head, body = whole
            self._keep = self._complete = True
            handler.received(self._head, [body] if body else [], True)
            return
        try:
            self._parser.feed_data(data)
        except Exception as error:
            self.abort()
            handler.lost(error)
            return
        head = self._head
        if head is None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self.abort()
                handler.lost(ValueError("the engine's response header is too large"))
            return
        pieces, self._pieces = self._pieces, []
        handler.received(None if had_head else head, pieces, self._complete)

    # What the parser calls. An exception in here comes out of feed_data.

    def on_message_begin(self) -> None:
        """Refuse a second answer to one request."""
        if self._complete:
            raise ValueError("the engine sent more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header field."""
        name = name.lower()
        self._headers.append((name, value))
        if name in _FRAMING:
            self._framed = True
            if name == b"content-length":
                self._length = int(value)

    def on_headers_complete(self) -> None:
        """Keep the head, unless it is an interim answer (1xx)."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._head = ResponseHead(status, self._headers, self._length)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body until the whole read is parsed."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer, and whether the connection outlives it."""
        if self._head is None:
            self._headers = []
            self._framed = False
            return
        self._keep = self._parser.should_keep_alive()
        self._complete = True
