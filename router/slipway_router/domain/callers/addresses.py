"""Whose address a request without a key is counted by.

Behind a proxy the peer is the proxy; the caller stands in ``X-Forwarded-For``, to which every proxy adds on the right
whom it was asked by. What stands left of the first address that is no proxy of ours is the caller's own claim.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address
_MOST_HOPS: Final = 32
"""Entries of ``X-Forwarded-For`` that are looked at, from the right."""
_IPV6_PREFIX: Final = 64
"""One subscriber has at least that: counting single IPv6 addresses would limit nobody."""


def trusted_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of the proxies that are believed, such as ``10.0.0.0/8`` or ``192.0.2.7``.

    Raises:
        ValueError: one of them is no network; the message names it.
    """
    networks: list[Network] = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip()))
        except ValueError as error:
            message = f"'{text}' is not a network ({error}). Write it like 10.0.0.0/8, 192.0.2.7 or fd00::/8."
            raise ValueError(message) from None
    return tuple(networks)


def caller_address(peer: str, forwarded_for: bytes | None, trusted: Sequence[Network]) -> str:
    """The address that a caller's requests are counted by: for IPv6, the /64 that it lies in.

    ``peer`` is the other end of the connection, ``forwarded_for`` the value of ``X-Forwarded-For``. It is believed
    only from a peer in ``trusted``; the caller is the rightmost address in it that is not trusted. If all are, it is
    the leftmost; if something in it is no address, the peer.
    """
    here = _parsed(peer)
    if here is None:
        return peer
    if not forwarded_for or not _is_in(here, trusted):
        return _counted(here)
    caller = here
    for part in reversed(forwarded_for.decode("latin-1").rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
        hop = _parsed(part)
        if hop is None:
            return _counted(here)
        caller = hop
        if not _is_in(hop, trusted):
            break
    return _counted(caller)


def _parsed(text: str) -> _Address | None:
    """An address as proxies write it: with a port or not, IPv6 in brackets or not, perhaps with a zone."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_in(address: _Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _counted(address: _Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
