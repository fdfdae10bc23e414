"""Step: whose request is it?"""

import hashlib
from collections.abc import Callable

from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.exchange import Exchange, Fields
from slipway_router.domain.keys import Caller, KeyStore

_BEARER = b"bearer "
_MISSING = "No API key given. Send it as 'Authorization: Bearer KEY'."
_WRONG = "Incorrect API key. Check the key, or ask whoever runs this router for one."
_EXPIRED = "This API key has expired. Ask whoever runs this router for a new one."


def presented_key(headers: Fields) -> bytes | None:
    """The key in ``Authorization: Bearer`` or, as Anthropic's clients send it, in ``x-api-key``."""
    value = headers.get(b"authorization")
    if value is None:
        return headers.get(b"x-api-key")
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else None


class Authenticate:
    """Finds the caller by the hash of the key. Looking up a hash tells nothing by its timing about a key."""

    def __init__(self, keys: KeyStore, wall_clock: Callable[[], float]) -> None:
        self._keys = keys
        self._now = wall_clock

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.caller``.

        Raises:
            RequestError: 401, no key, an unknown one, or one past its time.
        """
        exchange.credential, exchange.caller = self._known(exchange.headers)

    def caller(self, headers: Fields) -> Caller:
        """The caller who sent ``headers``; raises as `__call__` does."""
        return self._known(headers)[1]

    def _known(self, headers: Fields) -> tuple[str, Caller]:
        presented = presented_key(headers)
        if not presented:
            raise fail(ErrorCode.INVALID_API_KEY, _MISSING)
        credential = hashlib.sha256(presented).hexdigest()
        key = self._keys.current.keys.get(credential)
        if key is None:
            raise fail(ErrorCode.INVALID_API_KEY, _WRONG)
        if key.expires_at is not None and key.expired(self._now()):
            raise fail(ErrorCode.EXPIRED_API_KEY, _EXPIRED)
        return credential, key.caller
