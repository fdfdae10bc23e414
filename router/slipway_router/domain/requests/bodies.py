"""The bodies of requests: how large one may be, and all together that the router holds at a time."""

from typing import Final

from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.exchange import Exchange

MAX_BUFFERED_BYTES: Final = 512 * 1024 * 1024


def too_large(limit: int) -> Problem:
    """What is wrong with a body of more than ``limit`` bytes."""
    return Problem(ErrorCode.BODY_TOO_LARGE, f"The body is larger than {limit} bytes.")


class CheckAnnouncedSize:
    """Step: no byte is kept of a body that is too large by its ``Content-Length``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._digits = len(str(limit))

    def __call__(self, exchange: Exchange) -> None:
        """Refuse such a request.

        Raises:
            RequestError: 413.
        """
        announced = exchange.headers.get(b"content-length")
        if announced is not None and len(announced) >= self._digits and int(announced) > self._limit:
            raise RequestError(too_large(self._limit))


class Bodies:
    """Gathers bodies piece by piece, each in one buffer, and counts their bytes."""

    def __init__(self, limit: int = MAX_BUFFERED_BYTES) -> None:
        self._limit = limit
        self.size = 0
        """Bytes of all bodies together."""

    def add(self, exchange: Exchange, piece: bytes) -> bool:
        """Put ``piece`` behind the body of an exchange; False, and nothing is kept, if that is too much in all."""
        self.size += len(piece)
        if self.size > self._limit:
            self.size -= len(piece)
            return False
        body = exchange.body
        if not body:
            exchange.body = piece
        elif isinstance(body, bytearray):
            body += piece
        else:
            # Grows in place from here on: large blocks of memory are moved by remapping, not by copying.
            exchange.body = bytearray(body)
            exchange.body += piece
        return True

    def drop(self, exchange: Exchange) -> None:
        """Let go of a body that is not needed any more."""
        self.size -= len(exchange.body)
        exchange.body = b""
