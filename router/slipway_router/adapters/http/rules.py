"""What HTTP/1.1 asks of a request beyond what the parser sees to. Numbers in brackets are sections of RFC 9112."""

import re
from collections.abc import Iterable
from typing import Final

from slipway_router.domain.exchange import Headers

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_ABSOLUTE: Final = re.compile(rb"https?://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?(?=[/?]|$)", re.IGNORECASE)
_OF_UPGRADES: Final = frozenset({b"upgrade", b"http2-settings", b"connection"})


def broken_rule(version: str, fields: Headers) -> str:
    """What is wrong with a header, for people; empty if nothing is.

    Bodies may be in chunks and no other coding [6.1]: nobody here would undo another. A request names one host [3.2].
    """
    if version not in _VERSIONS:
        return f"HTTP/{version} is not spoken here. Send HTTP/1.1."
    hosts = 0
    for name, value in fields:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            return "The only Transfer-Encoding is 'chunked'."
    if hosts > 1 or (not hosts and version == "1.1"):
        return "The header must have the field 'Host' once."
    return ""


def origin_form(target: bytes) -> bytes:
    """Path and query of a request's target, which may be a whole URL, too [3.2.2]."""
    if target.startswith(b"/"):
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def without_upgrade(method: bytes, target: bytes, version: str, fields: Headers) -> bytes:
    """A header again, as if it did not ask for another protocol, which a server need not answer [RFC 9110, 7.8]."""
    kept = [(name, value) for name, value in fields if name not in _OF_UPGRADES]
    tokens = _tokens(value for name, value in fields if name == b"connection")
    if b"close" in tokens:
        kept.append((b"connection", b"close"))
    lines = b"".join(b"%b: %b\r\n" % field for field in kept)
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)


def _tokens(values: Iterable[bytes]) -> set[bytes]:
    return {token.strip().lower() for value in values for token in value.split(b",")}
