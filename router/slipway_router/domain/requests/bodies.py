"""The bodies of requests: how large one may be, and all together that the router holds at a time."""

from typing import Final

from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.exchange import Exchange

MAX_BUFFERED_BYTES: Final = 512 * 1024 * 1024


def too_large(limit: int) -> Problem:
    """What is wrong with a body of more than ``limit`` bytes."""
    return Problem(ErrorCode.BODY_TOO_LARGE, f"The body is larger than {limit} bytes.")


def too_many() -> Problem:
    """What is wrong with a body for which there is no place beside all others."""
    return Problem(
        ErrorCode.ROUTER_FULL, "The router holds as many request bodies as it may. Try again.", retry_after=1
    )


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

    def take(self, size: int) -> bool:
        """Count ``size`` bytes more; False, and they do not count, if that is too much in all."""
        if self.size + size > self._limit:
            return False
        self.size += size
        return True

    def add(self, exchange: Exchange, piece: bytes) -> bool:
        """Put ``piece`` behind the body of an exchange; False, and nothing is kept, if that is too much in all."""
        if not self.take(len(piece)):
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
