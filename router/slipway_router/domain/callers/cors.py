"""What browsers of other origins may do, and how they are told (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from slipway_router.domain.errors import ErrorCode, Problem
from slipway_router.domain.exchange import Exchange, Fields, Headers

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED: Final = b", ".join(
    (
        b"x-request-id",
        b"retry-after",
        b"x-slipway-cache",
        *(
            b"x-ratelimit-%b-%b" % (what, kind)
            for kind in (b"requests", b"tokens", b"tokens-day")
            for what in (b"limit", b"remaining", b"reset")
        ),
    )
)
"""Header fields of answers that scripts may read."""
_VARY: Final = (b"vary", b"origin")
_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")


@dataclass(frozen=True, slots=True)
class Preflight:
    """The answer to a browser that asks before it calls."""

    problem: Problem | None
    """Why it may not."""
    headers: Headers


class Cors:
    """Knows the origins that may call."""

    def __init__(self, origins: Sequence[str], *, credentials: bool, max_age: float) -> None:
        self._max_age = b"%d" % max_age
        shared = [(b"access-control-expose-headers", EXPOSED)]
        if credentials:
            shared.append((b"access-control-allow-credentials", b"true"))
        self._anyone = [(b"access-control-allow-origin", b"*"), *shared] if "*" in origins else None
        self._known = {
            origin.encode(): [(b"access-control-allow-origin", origin.encode()), *shared, _VARY] for origin in origins
        }

    def __call__(self, exchange: Exchange) -> None:
        """Step: add what the browser needs to hand the answer on."""
        exchange.reply_headers += self.fields(exchange.headers.get(b"origin"))

    def fields(self, origin: bytes | None) -> Headers:
        """Header fields of an answer to a request from ``origin``."""
        if self._anyone is not None:
            return self._anyone
        return self._known.get(origin or b"", [_VARY])

    def preflight(self, method: str, headers: Fields) -> Preflight | None:
        """The answer to a preflight request; None if it is another request."""
        origin = headers.get(b"origin")
        if method != "OPTIONS" or origin is None or b"access-control-request-method" not in headers:
            return None
        if self._anyone is None and origin not in self._known:
            message = f"Scripts of the origin '{origin.decode(errors='replace')}' may not call this router."
            return Preflight(Problem(ErrorCode.ORIGIN_NOT_ALLOWED, message), [_VARY])
        wanted = headers.get(b"access-control-request-headers", b"")
        fields = [
            *self.fields(origin),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-max-age", self._max_age),
        ]
        if _HEADER_NAMES.fullmatch(wanted):
            fields.append((b"access-control-allow-headers", wanted))
        return Preflight(None, fields)
