"""A replica that comes beside others gets requests little by little; one that comes alone gets all at once."""

from collections import Counter
from random import Random

import pytest

from slipway_router.domain.models.balancing import SLOW_START_SECONDS, Balancer, Lease
from slipway_router.domain.models.catalogue import Catalogue
from tests.routers import model

KEY = "default/m"
OLD, NEW = (1, 2), 3


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Traffic:
    """Requests that stay, on replicas that listen at these ports."""

    def __init__(self, *ports: int) -> None:
        self.clock = Clock()
        self.balancer = Balancer(Random(1), self.clock)
        self.leases: list[Lease] = []
        self.follow(*ports)

    def follow(self, *ports: int) -> None:
        self.balancer.update(Catalogue.of([model("m", *ports)]))

    def arrive(self, requests: int) -> None:
        for _ in range(requests):
            lease = self.balancer.pick(KEY)
            assert lease is not None
            self.leases.append(lease)

    def running(self) -> dict[int, int]:
        """By port."""
        return Counter(lease.replica.endpoint.port for lease in self.leases)


@pytest.fixture
def traffic() -> Traffic:
    """Fifty requests run on each old replica when the new one comes."""
    made = Traffic(*OLD)
    made.arrive(100)
    made.clock.now += SLOW_START_SECONDS
    made.follow(*OLD, NEW)
    return made


def test_a_burst_does_not_meet_the_new_one_alone(traffic: Traffic) -> None:
    traffic.arrive(20)
    running = traffic.running()
    assert 0 < running[NEW] <= 6
    assert running[1] + running[2] >= 114


def test_its_share_grows_with_time(traffic: Traffic) -> None:
    shares = []
    for _ in range(4):
        traffic.clock.now += SLOW_START_SECONDS / 5
        traffic.arrive(30)
        shares.append(traffic.running().get(NEW, 0) / traffic.running()[1])
    assert shares == sorted(shares)
    assert shares[0] <= 0.25
    assert shares[-1] >= 0.5


def test_after_that_it_is_as_good_as_the_others(traffic: Traffic) -> None:
    traffic.clock.now += SLOW_START_SECONDS
    traffic.arrive(50)
    assert traffic.running() == {1: 50, 2: 50, NEW: 50}


def test_the_first_replicas_of_a_model_share_at_once() -> None:
    woken = Traffic()
    woken.follow(1, 2)
    woken.arrive(10)
    assert woken.running() == {1: 5, 2: 5}


def test_replicas_that_wake_one_after_the_other_share_at_once() -> None:
    woken = Traffic(1)
    woken.arrive(10)
    woken.clock.now += SLOW_START_SECONDS / 2
    woken.follow(1, 2)
    woken.arrive(10)
    assert woken.running() == {1: 10, 2: 10}


def test_one_that_is_left_alone_takes_all(traffic: Traffic) -> None:
    traffic.follow(NEW)
    traffic.arrive(10)
    assert traffic.running()[NEW] == 10


def test_failed_replicas_leave_it_their_requests(traffic: Traffic) -> None:
    for replica in traffic.balancer.replicas():
        if replica.endpoint.port in OLD:
            replica.failed(traffic.clock.now)
    before = traffic.running().get(NEW, 0)
    traffic.arrive(5)
    assert traffic.running()[NEW] == before + 5


def test_where_all_failed_the_slow_start_does_not_matter(traffic: Traffic) -> None:
    for replica in traffic.balancer.replicas():
        replica.failed(traffic.clock.now)
    traffic.arrive(1)
    assert traffic.running()[NEW] == 1


def test_other_models_are_not_slowed() -> None:
    traffic = Traffic(*OLD)
    traffic.clock.now += SLOW_START_SECONDS
    traffic.balancer.update(Catalogue.of([model("m", *OLD, NEW), model("other", 7, 8)]))
    ports = Counter[int]()
    for _ in range(10):
        lease = traffic.balancer.pick("default/other")
        assert lease is not None
        ports[lease.replica.endpoint.port] += 1
    assert ports == {7: 5, 8: 5}
