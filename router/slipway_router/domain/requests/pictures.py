"""Step: no addresses of pictures, sounds and films that an engine inside the cluster would go and fetch.

An engine that fetches what a caller names reaches whatever the pod does: metadata services, other teams' Services.
So media come inside the request, as data URLs, unless their host is on the allow-list.
"""

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Final

from slipway_crds.engines import Operation
from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.exchange import Body, Exchange
from slipway_router.domain.requests.addresses import INLINE, in_anything, in_messages

_SIGN: Final = b'_url"'
"""Ends the name of every field that says where something is, except in messages as Anthropic has them."""
_OTHER_SIGNS: Final = Operation.MESSAGES
_ESCAPE: Final = b"\\u00"
"""Nobody has to escape ASCII letters; who does may be hiding the sign."""
_HTTP: Final = re.compile(r"https?://([a-z0-9.-]+)(:\d+)?([/?#][^\s\\]*)?", re.IGNORECASE)
"""What every reader of addresses understands alike; tricks with user names and backslashes are no match."""
_MESSAGES: Final = frozenset({Operation.CHAT_COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES})
_SHOWN: Final = 100


class CheckPictures:
    """Looks at the addresses in requests, where there are any."""

    def __init__(self, hosts: Iterable[str]) -> None:
        """``hosts`` are the allowed ones, as globs."""
        self._allowed = re.compile("|".join(translate(host.lower()) for host in hosts) or r"(?!)")

    def __call__(self, exchange: Exchange) -> None:
        """Let requests pass whose media lie in them or on allowed hosts. A provider elsewhere may fetch what it likes.

        Raises:
            RequestError: 400, an address is not allowed.
        """
        body = exchange.body
        # find, since bytes' `in` first tries whether it is asked for a number, which takes an exception.
        escapes = body.find(b"\\") >= 0 and body.find(_ESCAPE) >= 0
        if escapes or body.find(_SIGN) >= 0 or exchange.route.operation is _OTHER_SIGNS:
            self._look(exchange, body)

    def _look(self, exchange: Exchange, body: Body) -> None:
        model, operation = exchange.model, exchange.route.operation
        if exchange.model_at is not None or model is None or model.provider is not None:
            return
        for address in in_messages(body) if operation in _MESSAGES else in_anything(body):
            if not self._is_allowed(address):
                raise fail(
                    ErrorCode.INVALID_VALUE,
                    f"Engines may not fetch '{address[:_SHOWN]}'. Send it as a data URL (data:image/png;base64,...), "
                    "or ask whoever runs this router to add its host to SLIPWAY_IMAGE_URL_HOSTS.",
                )

    def _is_allowed(self, address: str) -> bool:
        if address[: len(INLINE)].lower() == INLINE:
            return True
        there = _HTTP.fullmatch(address)
        return there is not None and self._allowed.match(there[1].lower()) is not None
