"""Requests go to the replica with the fewest running ones; counts outlive changes of the catalogue."""

from collections import Counter
from random import Random

from slipway_router.domain.models.balancing import SLOW_START_SECONDS, Balancer, Lease
from slipway_router.domain.models.catalogue import Catalogue
from tests.routers import model

KEY = "default/m"


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def balancer(*ports: int, clock: Clock | None = None) -> Balancer:
    made = Balancer(Random(1), clock or Clock())
    made.update(Catalogue.of([model("m", *ports)]))
    return made


def pick(from_: Balancer) -> Lease:
    lease = from_.pick(KEY)
    assert lease is not None
    return lease


def test_running_requests_spread_evenly() -> None:
    three = balancer(1, 2, 3)
    ports = Counter(pick(three).replica.endpoint.port for _ in range(30))
    assert ports == {1: 10, 2: 10, 3: 10}


def test_a_replica_that_got_free_is_next() -> None:
    two = balancer(1, 2)
    leases = [pick(two) for _ in range(10)]
    leases[0].release()
    leases[0].release()
    assert pick(two).replica is leases[0].replica
    assert two.in_flight(model("m")) == 10


def test_idle_replicas_all_get_their_share() -> None:
    three = balancer(1, 2, 3)
    ports = Counter[int]()
    for _ in range(300):
        with pick(three) as lease:
            ports[lease.replica.endpoint.port] += 1
    assert min(ports.values()) > 60


def test_a_replica_to_avoid_is_taken_only_if_there_is_no_other() -> None:
    two = balancer(1, 2)
    first = pick(two)
    second = two.pick(KEY, [first.replica])
    assert second is not None
    assert second.replica is not first.replica
    third = two.pick(KEY, [first.replica, second.replica])
    assert third is not None


def test_counts_outlive_a_new_catalogue() -> None:
    clock = Clock()
    two = balancer(1, 2, clock=clock)
    kept = pick(two)
    two.update(Catalogue.of([model("m", kept.replica.endpoint.port, 3)]))
    clock.now += SLOW_START_SECONDS
    assert pick(two).replica.endpoint.port == 3
    assert kept.replica.in_flight == 1


def test_a_replica_that_left_is_retired() -> None:
    one = balancer(1)
    lease = pick(one)
    one.update(Catalogue.of([model("m")]))
    assert lease.replica.retired
    assert one.pick(KEY) is None
    assert one.pick("default/unknown") is None


def test_a_replica_that_failed_rests_longer_each_time() -> None:
    clock = Clock()
    two = balancer(1, 2, clock=clock)
    bad = pick(two).replica
    for rest in (0.5, 1.0, 2.0):
        bad.failed(clock.now)
        assert all(pick(two).replica is not bad for _ in range(5))
        clock.now += rest
        assert pick(two).replica is bad
    bad.failed(clock.now)
    bad.answered()
    assert pick(two).replica is bad


def test_replicas_that_all_failed_are_still_tried() -> None:
    two = balancer(1, 2)
    for replica in two.replicas():
        replica.failed(0.0)
    assert two.pick(KEY) is not None
