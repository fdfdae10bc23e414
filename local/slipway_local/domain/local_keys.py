"""Which API keys local mode accepts."""

from collections.abc import Sequence
from typing import Final

from slipway_crds.api_key import APIKey, APIKeySpec
from slipway_crds.base import Metadata

API_KEY_VARIABLE: Final = "SLIPWAY_API_KEY"
DEFAULT_KEY_NAME: Final = "local"
_MAX_LENGTH: Final = 256


def keys_or_default(keys: Sequence[APIKey]) -> tuple[APIKey, ...]:
    """``keys``, or one that opens every model when the files have none."""
    if keys:
        return tuple(keys)
    return (APIKey(metadata=Metadata(name=DEFAULT_KEY_NAME), spec=APIKeySpec(owner="this machine")),)


def checked_key(text: str, origin: str) -> str:
    """``text`` if it can travel as a key in an HTTP header.

    Raises:
        ValueError: it is empty, too long, or has characters that a header cannot carry; the message names ``origin``.
    """
    if not 0 < len(text) <= _MAX_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"{origin} is no key: write 1 to {_MAX_LENGTH} printable ASCII characters without spaces, "
            "or unset it to have a key made"
        )
    return text
