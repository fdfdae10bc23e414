"""Requests without a key are counted by the address of their caller, which nobody can choose freely."""

import time
import tracemalloc

import pytest

from slipway_router.domain.api.routes import ROUTES
from slipway_router.domain.callers.addresses import caller_address, trusted_networks
from slipway_router.domain.callers.authentication import Anonymous, Authenticate, Proxies
from slipway_router.domain.callers.keys import KeyStore, Limits
from slipway_router.domain.exchange import Exchange

PROXIES = trusted_networks(["10.0.0.0/8", "fd00::/8", "192.0.2.7"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        # Nobody between.
        ("198.51.100.1", None, "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", None, "198.51.100.1"),
        # A peer that is no proxy of ours may claim what it likes.
        ("198.51.100.1", b"203.0.113.9", "198.51.100.1"),
        # One proxy, then two.
        ("10.1.2.3", b"203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", b"203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("192.0.2.7", b"203.0.113.9", "203.0.113.9"),
        ("fd00::1", b"2001:db8:1:2::9", "2001:db8:1:2::/64"),
        # The caller wrote the left part itself.
        ("10.1.2.3", b"1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", b"1.1.1.1, 203.0.113.9, 10.4.4.4", "203.0.113.9"),
        # Ports, brackets, zones, blanks.
        ("10.1.2.3", b" 203.0.113.9:4711 ", "203.0.113.9"),
        ("10.1.2.3", b"[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64"),
        ("10.1.2.3", b"fe80::1%eth0", "fe80::/64"),
        # A caller inside the trusted networks.
        ("10.1.2.3", b"10.5.5.5, 10.4.4.4", "10.5.5.5"),
        # Garbage.
        ("10.1.2.3", b"unknown", "10.1.2.3"),
        ("10.1.2.3", b"203.0.113.9, \xff\xfe, 10.4.4.4", "10.1.2.3"),
        ("10.1.2.3", b"", "10.1.2.3"),
        ("10.1.2.3", b",", "10.1.2.3"),
        ("", b"203.0.113.9", ""),
        ("unix", b"203.0.113.9", "unix"),
    ],
)
def test_address_of_the_caller(peer: str, forwarded_for: bytes | None, expected: str) -> None:
    assert caller_address(peer, forwarded_for, PROXIES) == expected


def test_without_trusted_networks_the_peer_counts() -> None:
    assert caller_address("10.1.2.3", b"203.0.113.9", ()) == "10.1.2.3"


def test_a_long_list_is_read_from_the_right_only() -> None:
    chain = b"203.0.113.9, " + b", ".join([b"10.0.0.1"] * 10_000)
    assert caller_address("10.1.2.3", chain, PROXIES) == "10.0.0.1"


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.0/40' is not a network"):
        trusted_networks(["10.0.0.0/8", "10.0.0.0/40"])


def test_what_callers_claim_takes_little_memory() -> None:
    authenticate = Authenticate(KeyStore(), time.time, anonymous=Anonymous(("*",), Limits()), proxies=Proxies(PROXIES))
    tracemalloc.start()
    try:
        for number in range(4096):
            claim = b"1.1.1.1, " * 3000 + b"203.0.113.9, 10.0.%d.%d" % divmod(number, 256)
            exchange = Exchange(ROUTES[0], {b"x-forwarded-for": claim}, "10.1.2.3", "r", 0.0)
            authenticate(exchange)
            assert exchange.peer == "203.0.113.9"
        assert tracemalloc.get_traced_memory()[0] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()
