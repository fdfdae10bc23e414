"""Which header fields cross the router, in which direction."""

import re
from collections.abc import Iterable
from typing import Final

from slipway_router.domain.exchange import Fields, Headers

_NOT_TO_CALLER: Final = frozenset(
    {
        # Belong to one connection (RFC 9110, 7.6.1).
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        # Framing and identity are the router's own.
        b"content-length",
        b"date",
        b"server",
        b"x-request-id",
        # Engines must not speak for the router's origin.
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"set-cookie",
        b"strict-transport-security",
        b"alt-svc",
    }
)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


def for_engine(headers: Fields, wanted: Iterable[bytes]) -> bytes:
    """The lines of a caller's header that go on to the engine, ``wanted`` by their names, each with its CRLF."""
    pieces: list[bytes] = []
    for name in wanted:
        value = headers.get(name)
        if value is not None:
            pieces += (name, b": ", value, b"\r\n")
    return b"".join(pieces)


def fields_of(lines: bytes) -> list[tuple[bytes, bytes]]:
    """The fields in header lines that the router has written, each with its CRLF."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n") if line)]


def for_caller(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The fields of an engine's header that go back to the caller."""
    return [field for field in headers if field[0] not in _NOT_TO_CALLER]


def given_request_id(headers: Fields) -> str | None:
    """The caller's ``X-Request-Id`` if it is a plain word of at most 128 characters."""
    value = headers.get(b"x-request-id")
    return value.decode("ascii") if value is not None and _REQUEST_ID.fullmatch(value) else None
