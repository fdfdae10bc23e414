"""Step: whose request is it?"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Final

from slipway_router.domain.callers.addresses import Network, caller_address
from slipway_router.domain.callers.keys import Caller, KeyStore, Limits
from slipway_router.domain.callers.oidc import KeySource, Tokens, UnknownSigningKeyError, looks_like_token, unknown_key
from slipway_router.domain.errors import ErrorCode, Problem, fail
from slipway_router.domain.exchange import Exchange, Fields

ANONYMOUS: Final = "anonymous"
"""The name of all callers without a key."""
_BEARER: Final = b"bearer "
_MISSING: Final = "No API key given. Send it as 'Authorization: Bearer KEY'."
_WRONG: Final = "Incorrect API key. Check the key, or ask whoever runs this router for one."
_EXPIRED: Final = "This API key has expired. Ask whoever runs this router for a new one."
_REVOKED: Final = "This API key was revoked. Ask whoever runs this router for a new one."
_NO_PROVIDER: Final = "The identity provider does not answer, so this token cannot be checked. Try again."
_RETRY_SECONDS: Final = 10
_REMEMBERED: Final = 4096
"""Addresses that are kept, worked out."""
_REMEMBERED_KEYS: Final = 1024
"""Presented keys whose hashes are kept."""
_LONGEST_CLAIM: Final = 2048
"""Bytes at the end of ``X-Forwarded-For`` that are looked at, since they are kept with the address."""


def presented_key(headers: Fields) -> bytes | None:
    """The key in ``Authorization: Bearer`` or, as Anthropic's clients send it, in ``x-api-key``."""
    value = headers.get(b"authorization")
    if value is None:
        return headers.get(b"x-api-key")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else None


def _sha256(presented: bytes) -> str:
    return hashlib.sha256(presented).hexdigest()


class Anonymous:
    """Callers who present nothing, told apart by their addresses."""

    def __init__(self, models: tuple[str, ...], limits: Limits) -> None:
        def caller(peer: str) -> Caller:
            return Caller(ANONYMOUS, models=models, limits=limits, bucket=f"ip:{caller_address(peer, None, ())}")

        self.caller = lru_cache(_REMEMBERED)(caller)
        """The caller at an address."""


class Proxies:
    """Proxies in front of the router, whose word on the caller's address is taken."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        def address(peer: str, forwarded_for: bytes | None) -> str:
            return caller_address(peer, forwarded_for, trusted)

        self.address = lru_cache(_REMEMBERED)(address)
        """The caller's address, from the peer's and ``X-Forwarded-For``."""


class Authenticate:
    """Finds the caller: by the hash of a key, by a token, or without either by the address.

    Looking up a hash tells nothing by its timing about a key.
    """

    def __init__(
        self,
        keys: KeyStore,
        wall_clock: Callable[[], float],
        *,
        tokens: Tokens | None = None,
        source: KeySource | None = None,
        anonymous: Anonymous | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._keys = keys
        self._now = wall_clock
        self._tokens = tokens
        self._source = source
        self._anonymous = anonymous
        self._proxies = proxies
        self._digest = lru_cache(_REMEMBERED_KEYS)(_sha256)

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.caller``, unless the key that signed a token is still to be asked for: see `complete`.

        Raises:
            RequestError: 401, no key, an unknown one, or one past its time.
        """
        headers = exchange.headers
        if self._proxies is not None:
            claim = headers.get(b"x-forwarded-for", b"")[-_LONGEST_CLAIM:]
            exchange.peer = self._proxies.address(exchange.peer, claim)
        exchange.credential, exchange.caller = self._find(headers, exchange.peer)

    def caller(self, headers: Fields) -> Caller:
        """The caller who sent ``headers``, if that can be told without waiting; raises as `__call__` does."""
        found = self._find(headers, "")[1]
        if found is None:
            raise unknown_key()
        return found

    def _find(self, headers: Fields, peer: str) -> tuple[str, Caller | None]:
        presented = presented_key(headers)
        if not presented:
            return "", self._without_key(headers, peer)
        digest = self._digest(presented)
        key = self._keys.current.keys.get(digest)
        if key is None:
            return "", self._of_token(presented, digest)
        if key.expires_at is not None and key.expired(self._now()):
            raise fail(ErrorCode.EXPIRED_API_KEY, _EXPIRED)
        return digest, key.caller

    def _without_key(self, headers: Fields, peer: str) -> Caller:
        if self._anonymous is None or b"authorization" in headers or b"x-api-key" in headers:
            raise fail(ErrorCode.INVALID_API_KEY, _MISSING)
        return self._anonymous.caller(peer)

    def _of_token(self, presented: bytes, digest: str) -> Caller | None:
        """None: the key that signed it is not known yet."""
        if self._tokens is None or not looks_like_token(presented):
            raise fail(ErrorCode.INVALID_API_KEY, _WRONG)
        try:
            return self._tokens.caller(presented, digest)
        except UnknownSigningKeyError:
            return None

    def complete(self, exchange: Exchange) -> Awaitable[None] | None:
        """Step: find the caller of a token whose key had to be asked for.

        Raises:
            RequestError: 401, nor did the provider sign it; 503, the provider does not answer.
        """
        return None if exchange.caller is not None else self._ask(exchange)

    async def _ask(self, exchange: Exchange) -> None:
        answered = self._source is None or await self._source.refresh()
        _, exchange.caller = self._find(exchange.headers, exchange.peer)
        if exchange.caller is not None:
            return
        if answered:
            raise unknown_key()
        raise fail(ErrorCode.IDENTITY_UNAVAILABLE, _NO_PROVIDER, retry_after=_RETRY_SECONDS)

    def at_once(self, exchange: Exchange) -> Awaitable[None] | None:
        """Both steps together, for requests whose body nobody waits for. Raises as they do."""
        self(exchange)
        return self.complete(exchange)

    def withdrawn(self, credential: str) -> Problem | None:
        """Why a running request must end: the key of this hash, which was accepted, is so no longer."""
        key = self._keys.current.keys.get(credential)
        if key is None:
            return Problem(ErrorCode.REVOKED_API_KEY, _REVOKED)
        return Problem(ErrorCode.EXPIRED_API_KEY, _EXPIRED) if key.expired(self._now()) else None
