"""The caller's side of an exchange, whatever server it came in by."""

from collections.abc import Sequence
from typing import Final, Protocol

from slipway_router.domain.errors import Problem
from slipway_router.domain.exchange import Exchange, Headers, StoredAnswer

JSON = (b"content-type", b"application/json")


class Passed:
    """Fields of an engine's header that callers get, and the same as they stand on the wire."""

    __slots__ = ("fields", "lines")

    def __init__(self, fields: Headers) -> None:
        self.fields = fields
        self.lines = b"".join([b"%b: %b\r\n" % (name, value) for name, value in fields])


NOTHING_PASSED: Final = Passed(())


class Downstream(Protocol):
    """Where an answer goes."""

    def begin(self, status: int, headers: Headers, length: int | None, lines: bytes = b"") -> None:
        """Start the answer with the fields in ``headers`` and in ``lines``, which has them as they stand on the wire.

        ``length`` is that of the body in bytes, None if not known yet.
        """
        ...

    def write(self, pieces: Sequence[bytes], last: bool) -> None:
        """Send pieces of the body, and with ``last`` end the answer."""
        ...

    def abort(self) -> None:
        """End an answer that cannot be completed, so that the caller notices."""
        ...


class Running(Protocol):
    """A request that is being answered, as its server sees it."""

    def pause(self) -> None:
        """The caller reads slower than the answer comes."""
        ...

    def resume(self) -> None:
        """The caller has caught up."""
        ...

    def cancel(self) -> None:
        """The caller is gone."""
        ...


def own_lines(exchange: Exchange) -> bytes:
    """The lines that the router puts into the header of every answer, each with its CRLF."""
    return b"x-request-id: %b\r\n%b" % (exchange.request_id.encode(), exchange.reply_lines)


def answer(
    downstream: Downstream, exchange: Exchange, problem: Problem, status: int | None = None, body: bytes | None = None
) -> None:
    """Answer with the error object of ``problem``, or with ``status`` and ``body`` in its place."""
    exchange.problem = problem
    exchange.status = status or problem.status
    content = body or problem.body(exchange.route.dialect)
    exchange.bytes_out += len(content)
    headers = [JSON, *problem.headers(), *exchange.reply_headers]
    downstream.begin(exchange.status, headers, len(content), own_lines(exchange))
    downstream.write([content], last=True)


def replay(downstream: Downstream, exchange: Exchange, stored: StoredAnswer) -> None:
    """Answer with what is stored."""
    exchange.status = stored.status
    length = sum(map(len, stored.pieces))
    exchange.bytes_out += length
    downstream.begin(stored.status, [*stored.headers, *exchange.reply_headers], length, own_lines(exchange))
    downstream.write(stored.pieces, last=True)
