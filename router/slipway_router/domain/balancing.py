"""Which replica gets a request: the one with the fewest running."""

from collections.abc import Collection
from random import Random

from slipway_router.domain.catalogue import Catalogue, Endpoint, Model


class Replica:
    """An endpoint and the requests it works on. Lives as long as the endpoint is in the catalogue."""

    __slots__ = ("address", "endpoint", "host_header", "in_flight", "retired")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.address = endpoint.address
        self.host_header = endpoint.address.encode()
        self.in_flight = 0
        self.retired = False
        """The endpoint has left the catalogue; running requests may finish."""


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

    def __init__(self, random: Random) -> None:
        self._random = random
        self._replicas: dict[Endpoint, Replica] = {}
        self._by_model: dict[str, tuple[Replica, ...]] = {}

    def update(self, catalogue: Catalogue) -> None:
        """Follow a new catalogue: replicas that stay keep their counts."""
        wanted = {endpoint for model in catalogue.models for endpoint in model.endpoints}
        for endpoint in self._replicas.keys() - wanted:
            self._replicas.pop(endpoint).retired = True
        for endpoint in wanted - self._replicas.keys():
            self._replicas[endpoint] = Replica(endpoint)
        self._by_model = {
            model.key: tuple(self._replicas[endpoint] for endpoint in model.endpoints) for model in catalogue.models
        }

    def replicas(self) -> Collection[Replica]:
        """Every replica of the current catalogue."""
        return self._replicas.values()

    def in_flight(self, model: Model) -> int:
        """Running requests of ``model``."""
        return sum(replica.in_flight for replica in self._by_model.get(model.key, ()))

    def pick(self, model_key: str, avoid: Collection[Replica] = ()) -> Lease | None:
        """A place on the replica of the model ``model_key`` with the fewest running requests, ties broken by chance.

        Replicas in ``avoid`` count only if there is no other. None if the model has no replica.
        """
        replicas = self._by_model.get(model_key, ())
        if len(replicas) == 1:
            return Lease(replicas[0])
        if not replicas:
            return None
        candidates = [replica for replica in replicas if replica not in avoid] if avoid else replicas
        best: list[Replica] = []
        for replica in candidates or replicas:
            if not best or replica.in_flight < best[0].in_flight:
                best = [replica]
            elif replica.in_flight == best[0].in_flight:
                best.append(replica)
        return Lease(best[int(self._random.random() * len(best))])
