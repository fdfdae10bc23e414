"""How many tokens a request may use, guessed before it runs.

The guess is reserved and replaced by what the engine counted when the request is over, so it must be cheap, not right.
"""

import re
from typing import Final

from slipway_router.domain.exchange import Body, Exchange
from slipway_router.domain.requests.calls import Completions
from slipway_router.domain.requests.operations import GENERATING, READING
from slipway_router.domain.requests.policy import BYTES_PER_TOKEN, MAX_TOKENS

_SMALL: Final = 4096
"""Bytes; what is inside a smaller body makes little difference."""
_MEDIA_SIGNS: Final = (b"base64", b'"data"')
"""One of them stands in bodies with pictures, sounds or files in them: data URLs, Anthropic's sources, audio parts."""
_MEDIA: Final = re.compile(rb"[A-Za-z0-9+/\\_-]{1024,}")
"""A run of base64 that no text has."""


def estimate(exchange: Exchange) -> int:
    """Tokens of the prompt and of the longest answer that the caller may get. 0 for pictures, speech and counting."""
    operation = exchange.route.operation
    if operation in GENERATING:
        return _prompt(exchange.body) + _answer(exchange)
    return _prompt(exchange.body) if operation in READING else 0


def _prompt(body: Body) -> int:
    size = len(body)
    if size > _SMALL and any(sign in body for sign in _MEDIA_SIGNS):
        size -= sum(match.end() - match.start() for match in _MEDIA.finditer(body))
    return -(-size // BYTES_PER_TOKEN)


def _answer(exchange: Exchange) -> int:
    tokens, call = exchange.max_tokens or MAX_TOKENS, exchange.call
    if isinstance(call, Completions) and call.n:
        return tokens * call.n
    return tokens
