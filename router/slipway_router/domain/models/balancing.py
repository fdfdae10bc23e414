"""Which replica gets a request: the one with the fewest running, of those that answered lately."""

import math
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Final

from slipway_router.domain.models.catalogue import Catalogue, Endpoint, Model

FIRST_REST_SECONDS: Final = 0.5
LONGEST_REST_SECONDS: Final = 30.0


class Replica:
    """An endpoint and the requests it works on. Lives as long as the endpoint is in the catalogue."""

    __slots__ = ("_failures", "address", "endpoint", "host_header", "in_flight", "rests_until", "retired")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.address = endpoint.address
        self.host_header = endpoint.address.encode()
        self.in_flight = 0
        self.retired = False
        """The endpoint has left the catalogue; running requests may finish."""
        self.rests_until = 0.0
        """Until then it gets requests only if no other replica can, since it failed."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Let it rest, longer with each failure in a row. Else a dead one would win: it has nothing running."""
        self.rests_until = now + min(FIRST_REST_SECONDS * 2**self._failures, LONGEST_REST_SECONDS)
        self._failures = min(self._failures + 1, 16)

    def answered(self) -> None:
        """It works."""
        self._failures = 0
        self.rests_until = 0.0


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

    def update(self, catalogue: Catalogue) -> None:
        """Follow a new catalogue: replicas that stay keep their counts."""
        wanted = {(model.key, endpoint) for model in catalogue.models for endpoint in model.endpoints}
        for name in self._replicas.keys() - wanted:
            self._replicas.pop(name).retired = True
        for name in wanted - self._replicas.keys():
            self._replicas[name] = Replica(name[1])
        self._by_model = {
            model.key: tuple(self._replicas[model.key, endpoint] for endpoint in model.endpoints)
            for model in catalogue.models
        }

    def replicas(self) -> Collection[Replica]:
        """Every replica of the current catalogue."""
        return self._replicas.values()

    def in_flight(self, model: Model) -> int:
        """Running requests of ``model``."""
        return sum(replica.in_flight for replica in self._by_model.get(model.key, ()))

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
        best = (
            _least_busy(replicas, self._clock(), avoid)
            or _least_busy(replicas, math.inf, avoid)
            or _least_busy(replicas, math.inf, ())
        )
        return Lease(best[int(self._random.random() * len(best))]) if best else None


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
