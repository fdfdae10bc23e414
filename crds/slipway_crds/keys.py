"""API keys: how one is made, and the hash by which routers know it."""

import hashlib
import secrets
from typing import Final

KEY_PREFIX: Final = "sk-slipway-"
_KEY_BYTES: Final = 32


def new_key() -> str:
    """A new key with 256 random bits, in URL-safe characters."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def hash_key(key: str) -> str:
    """The SHA-256 of a key, as 64 hexadecimal digits.

    A plain hash is enough: a key has 256 random bits, so there is nothing to guess that a slow hash would protect.
    """
    return hashlib.sha256(key.encode()).hexdigest()
