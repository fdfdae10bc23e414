"""Keys with limits, for tests of what limits do to real requests."""

from slipway_crds.keys import hash_key
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, Limits
from tests.routers import RouterUnderTest

LIMITED_KEY = "sk-slipway-limited"
LIMITED_NAME = "default/limited"


def ring_of(limits: Limits, key: str = LIMITED_KEY, name: str = LIMITED_NAME) -> KeyRing:
    """The only key, with limits."""
    return KeyRing.of([(hash_key(key), Key(Caller(name, limits=limits)))])


def limit(router: RouterUnderTest, limits: Limits) -> None:
    """From now on `LIMITED_KEY` is the only key of a router."""
    router.keys.replace(ring_of(limits))
