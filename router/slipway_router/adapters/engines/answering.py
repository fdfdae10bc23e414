"""The answer to one request, as it goes out to the caller."""

from http import HTTPStatus

from slipway_router.adapters.downstream import NOTHING_PASSED, Downstream, Passed, answer, own_lines
from slipway_router.adapters.engines.answer_heads import ResponseHead
from slipway_router.domain import engine_errors, sse
from slipway_router.domain.api.dialects import Dialect
from slipway_router.domain.errors import FIRST_ERROR, ErrorCode, Problem
from slipway_router.domain.exchange import Exchange, Headers
from slipway_router.domain.metering.usage import UsageFinder


class Answer:
    """Passes an engine's answer on, counts what is in it, and puts errors where they can still be said.

    An engine's error message is collected first, since callers get it in the path's dialect; everything else goes
    through as it comes.
    """

    __slots__ = (
        "_begun",
        "_downstream",
        "_exchange",
        "_last_piece",
        "_meter",
        "_model_name",
        "_refusal",
        "head",
        "refused",
    )

    def __init__(self, exchange: Exchange, model_name: str, downstream: Downstream) -> None:
        self._exchange = exchange
        self._model_name = model_name
        self._downstream = downstream
        self._meter = exchange.meter or UsageFinder()
        self._last_piece = b""
        self._begun = False
        self._refusal = bytearray()
        self.refused = False
        """Whether the engine answers with an error status."""
        self.head: ResponseHead | None = None
        """The engine's; None until it has answered."""

    def take_head(self, head: ResponseHead) -> None:
        """The engine has begun to answer."""
        self.head = head
        if head.status >= FIRST_ERROR:
            self.refused = True
        else:
            self._begin(head.status, (), head.length, head.passed)

    def collect(self, pieces: list[bytes], complete: bool) -> bool:
        """Keep pieces of the engine's error message; True when that is enough to `refuse`."""
        for piece in pieces:
            self._refusal += piece
        return complete or len(self._refusal) >= engine_errors.MAX_ERROR_BODY

    def refuse(self) -> None:
        """Answer with what the engine's error means for the caller."""
        assert self.head is not None
        status, body, problem = engine_errors.explain(
            self.head.status, bytes(self._refusal), self._model_name, self._exchange.route.dialect
        )
        self.fail(problem, status, body)

    def write(self, pieces: list[bytes], last: bool) -> None:
        """Pass pieces of the body on, changed if the exchange has a filter."""
        exchange = self._exchange
        if exchange.filter is not None:
            pieces = exchange.filter.feed(pieces, last)
            if not pieces and not last:
                return
        if exchange.recorder is not None:
            exchange.recorder.write(pieces, last)
        self._downstream.write(pieces, last)

    def count(self, pieces: list[bytes], now: float) -> None:
        """Note pieces of the body, at least one, that are about to be sent."""
        exchange, feed = self._exchange, self._meter.feed
        if exchange.first_byte is None:
            exchange.first_byte = now
        for piece in pieces:
            exchange.bytes_out += len(piece)
            feed(piece)
        self._last_piece = pieces[-1]

    def hear(self, piece: bytes) -> None:
        """Count the tokens of a piece of the body that nobody gets."""
        self._meter.feed(piece)

    def progress(self, text: str) -> None:
        """Tell a caller who asked for a stream what a sleeping model does; the answer has begun with that."""
        if self._exchange.stream:
            self._begin(HTTPStatus.OK, [(b"content-type", sse.CONTENT_TYPE), (b"cache-control", b"no-cache")], None)
            self._downstream.write([sse.comment(f"slipway {text}")], last=False)

    def fail(self, problem: Problem, status: int | None = None, body: bytes | None = None) -> None:
        """Answer with an error; as an event, if the answer had to begin while the model woke."""
        if not self._begun:
            answer(self._downstream, self._exchange, problem, status, body)
            return
        self._exchange.problem = problem
        self._exchange.aborted = "engine"
        self._write_error_event(problem, body)

    def break_off(self) -> None:
        """End an answer that the engine left unfinished. A stream gets an error event, if its last event is whole."""
        self._exchange.aborted = "engine"
        message = f"The engine of the model '{self._model_name}' broke off this answer."
        problem = self._exchange.problem = Problem(ErrorCode.ENGINE_FAILED, message)
        if self._is_event_stream() and self._last_piece.endswith((b"\n\n", b"\r\n\r\n")):
            self._write_error_event(problem)
        else:
            self._downstream.abort()

    def withdraw(self, problem: Problem) -> None:
        """End the answer because its caller may have no more of it; an engine's part of it may be out already."""
        if not self._begun:
            answer(self._downstream, self._exchange, problem)
            return
        self._exchange.problem = problem
        self._exchange.aborted = "key"
        between_events = not self._last_piece or self._last_piece.endswith((b"\n\n", b"\r\n\r\n"))
        if between_events and (self.head is None or self._is_event_stream()):
            self._write_error_event(problem)
        else:
            self._downstream.abort()

    def abandon(self) -> None:
        """Cut off a caller who does not read."""
        self._exchange.aborted = "client"
        self._downstream.abort()

    def close_books(self) -> None:
        """Write the token counts into the exchange."""
        usage = self._meter.usage
        if usage is not None:
            self._exchange.prompt_tokens = usage.prompt_tokens
            self._exchange.completion_tokens = usage.completion_tokens
            self._exchange.cached_tokens = usage.cached_tokens

    def _begin(self, status: int, fields: Headers, length: int | None, passed: Passed = NOTHING_PASSED) -> None:
        if self._begun:
            return  # Progress was sent while the model woke.
        self._begun = True
        exchange = self._exchange
        exchange.status = status
        if exchange.reply_headers:
            fields = [*fields, *exchange.reply_headers]
        if exchange.recorder is not None:
            exchange.recorder.begin(status, [*passed.fields, *fields])
        # What a filter leaves of the answer has another length.
        size = length if exchange.filter is None else None
        self._downstream.begin(status, fields, size, passed.lines + own_lines(exchange))

    def _write_error_event(self, problem: Problem, body: bytes | None = None) -> None:
        dialect = self._exchange.route.dialect
        name = b"error" if dialect is Dialect.ANTHROPIC else b""
        self._downstream.write([sse.event(body or problem.body(dialect), name)], last=True)

    def _is_event_stream(self) -> bool:
        fields = self.head.headers if self.head is not None else ()
        return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in fields)
