"""Models that somebody else serves: where their requests go, and in what name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from slipway_crds.engines import Operation

KeyLookup = Callable[[str], str | None]
"""The provider key of a name, None if there is none (any more)."""

_VERSION: Final = "/v1"
_ANTHROPIC_VERSION: Final = (b"anthropic-version", b"2023-06-01")
"""What Anthropic's API is told when the caller does not say."""


def no_keys(name: str) -> str | None:
    """For places without provider keys."""
    return None


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible API elsewhere."""

    host: str
    """As in the URL, IPv6 without brackets."""
    port: int
    tls: bool
    authority: str
    """Value of the header field ``Host``."""
    base: str
    """The path that stands where ``/v1`` does in the router's paths; no ``/`` at its end."""
    model: str = ""
    """The provider's name of the model; empty for the name that the caller used."""
    key_name: str = ""
    """Under which its key is looked up; empty for a provider that wants none."""
    key_optional: bool = False
    """Whether it is asked without a key while there is none."""

    @classmethod
    def at(cls, url: str, *, model: str = "", key_name: str = "", key_optional: bool = False) -> "Provider":
        """The provider at a base URL as OpenAI's clients take it; one without a path means ``/v1``.

        Raises:
            ValueError: it is no http or https URL, or names no host.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not a base URL; write one such as https://api.example.com/v1")
        tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        authority = host if parts.port is None else f"{host}:{parts.port}"
        base = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~") or _VERSION
        port = parts.port or (443 if tls else 80)
        return cls(parts.hostname, port, tls, authority, base, model, key_name, key_optional)

    def path(self, path: str) -> str:
        """Where the router's ``path`` is at the provider."""
        if path.startswith(f"{_VERSION}/"):
            return self.base + path.removeprefix(_VERSION)
        return self.base.removesuffix(_VERSION) + path


def key_lines(operation: Operation, key: str, fields: frozenset[bytes]) -> bytes:
    """The lines of a header that present ``key``; ``fields`` are the names of those that the caller sent.

    Anthropic's API takes its keys in ``x-api-key`` and wants to be told its version; all others take a bearer token.
    """
    if operation is not Operation.MESSAGES:
        return b"authorization: Bearer %b\r\n" % key.encode() if key else b""
    name, version = _ANTHROPIC_VERSION
    lines = b"" if name in fields else b"%b: %b\r\n" % (name, version)
    return lines + (b"x-api-key: %b\r\n" % key.encode() if key else b"")
