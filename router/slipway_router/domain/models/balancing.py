"""Which replica gets a request: the one with the fewest running, of those that answered lately.

One that has just come beside others takes part a little at a time. With nothing running, it would otherwise get every
request until it has as many as they: a burst, for an engine whose caches are empty.
"""

import math
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Final

from slipway_router.domain.models.catalogue import Catalogue, Endpoint, Model

FIRST_REST_SECONDS: Final = 0.5
LONGEST_REST_SECONDS: Final = 30.0
SLOW_START_SECONDS: Final = 10.0
"""How long it takes a replica that came beside others to get as many requests as they."""
_FIRST_SHARE: Final = 0.1
"""What it may have running at first, of what each of them has."""


class Replica:
    """An endpoint and the requests it works on. Lives as long as the endpoint is in the catalogue."""

    __slots__ = (
        "_failures",
        "address",
        "endpoint",
        "host_header",
        "in_flight",
        "joined",
        "rests_until",
        "retired",
        "since",
    )

    def __init__(self, endpoint: Endpoint, since: float) -> None:
        self.endpoint = endpoint
        self.address = endpoint.address
        self.host_header = endpoint.address.encode()
        self.in_flight = 0
        self.retired = False
        """The endpoint has left the catalogue; running requests may finish."""
        self.rests_until = 0.0
        """Until then it gets requests only if no other replica can, since it failed."""
        self.since = since
        """When it came into the catalogue."""
        self.joined = -math.inf
        """When it came beside replicas that had worked for a while, if it did."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Let it rest, longer with each failure in a row. Else a dead one would win: it has nothing running."""
        self.rests_until = now + min(FIRST_REST_SECONDS * 2**self._failures, LONGEST_REST_SECONDS)
        self._failures = min(self._failures + 1, 16)

    def answered(self) -> None:
        """It works."""
        self._failures = 0
        self.rests_until = 0.0

    def load(self, now: float) -> float:
        """Its running requests and one more; while it starts slowly, as many as these would be to the others."""
        share = (now - self.joined) / SLOW_START_SECONDS
        return (self.in_flight + 1) / min(max(share, _FIRST_SHARE), 1.0)


class Lease:
    """One request's place on a replica; `release` gives it back, once."""

    __slots__ = ("_open", "replica")

    def __init__(self, replica: Replica) -> None:
        replica.in_flight += 1
        self.replica = replica
        self._open = True

    def release(self) -> None:
        """Count the request as done. Further calls do nothing."""
        if self._open:
            self._open = False
            self.replica.in_flight -= 1

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()


class Balancer:
    """Counts running requests by replica, across catalogues."""

    def __init__(self, random: Random, clock: Callable[[], float]) -> None:
        self._random = random
        self._clock = clock
        self._replicas: dict[tuple[str, Endpoint], Replica] = {}
        self._by_model: dict[str, tuple[Replica, ...]] = {}
        self._slow_until: dict[str, float] = {}
        """Models with replicas that start slowly, and how long. Mostly empty, and then it costs nothing."""

    def update(self, catalogue: Catalogue) -> None:
        """Follow a new catalogue: replicas that stay keep their counts."""
        wanted = {(model.key, endpoint) for model in catalogue.models for endpoint in model.endpoints}
        for name in self._replicas.keys() - wanted:
            self._replicas.pop(name).retired = True
        now = self._clock()
        warm = {name[0] for name, replica in self._replicas.items() if now - replica.since >= SLOW_START_SECONDS}
        for name in wanted - self._replicas.keys():
            replica = self._replicas[name] = Replica(name[1], now)
            if name[0] in warm:
                replica.joined = now
                self._slow_until[name[0]] = now + SLOW_START_SECONDS
        self._by_model = {
            model.key: tuple(self._replicas[model.key, endpoint] for endpoint in model.endpoints)
            for model in catalogue.models
        }
        for gone in self._slow_until.keys() - self._by_model.keys():
            del self._slow_until[gone]

    def replicas(self) -> Collection[Replica]:
        """Every replica of the current catalogue."""
        return self._replicas.values()

    def in_flight(self, model: Model) -> int:
        """Running requests of ``model``."""
        return sum(replica.in_flight for replica in self._by_model.get(model.key, ()))

    def by_endpoint(self, model: Model) -> Iterable[tuple[str, int]]:
        """Running requests of each replica of ``model``, by its address."""
        return ((replica.address, replica.in_flight) for replica in self._by_model.get(model.key, ()))

    def pick_rested(self, model_key: str, avoid: Collection[Replica] = ()) -> Lease | None:
        """As `pick`, but None rather than a replica that rests or is in ``avoid``."""
        best = _least_busy(self._by_model.get(model_key, ()), self._clock(), avoid)
        return Lease(best[int(self._random.random() * len(best))]) if best else None

    def pick(self, model_key: str, avoid: Collection[Replica] = ()) -> Lease | None:
        """A place on the replica of the model ``model_key`` with the fewest running requests, ties broken by chance.

        Replicas that rest and those in ``avoid`` count only if there is no other. None if the model has no replica.
        """
        replicas = self._by_model.get(model_key, ())
        if len(replicas) == 1:
            return Lease(replicas[0])
        now = self._clock()
        if self._slow_until and self._starts_slowly(model_key, now):
            lightest = _least_loaded(replicas, now, avoid)
            if lightest is not None:
                return Lease(lightest)
        best = (
            _least_busy(replicas, now, avoid)
            or _least_busy(replicas, math.inf, avoid)
            or _least_busy(replicas, math.inf, ())
        )
        return Lease(best[int(self._random.random() * len(best))]) if best else None

    def _starts_slowly(self, model_key: str, now: float) -> bool:
        """Whether some replica of the model does. Forgets those that are over."""
        until = self._slow_until.get(model_key)
        if until is None:
            return False
        if until <= now:
            del self._slow_until[model_key]
            return False
        return True


def _least_loaded(replicas: Iterable[Replica], now: float, avoid: Collection[Replica]) -> Replica | None:
    """As `_least_busy`, with regard to slow starts. Of equals the first: loads are hardly ever equal then."""
    best: Replica | None = None
    least = math.inf
    for replica in replicas:
        if replica.rests_until > now or replica in avoid:
            continue
        load = replica.load(now)
        if load < least:
            best, least = replica, load
    return best


def _least_busy(replicas: Iterable[Replica], now: float, avoid: Collection[Replica]) -> list[Replica]:
    """Those with the fewest running requests, of the ones that do not rest at ``now`` and are not to be avoided."""
    best: list[Replica] = []
    for replica in replicas:
        if replica.rests_until > now or replica in avoid:
            continue
        if not best or replica.in_flight < best[0].in_flight:
            best = [replica]
        elif replica.in_flight == best[0].in_flight:
            best.append(replica)
    return best
