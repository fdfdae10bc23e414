"""A container of text-embeddings-inference does not count its requests: the routers tell how many it has."""

from collections.abc import Mapping, Sequence

import pytest

from slipway_operator.app.metrics_api.sampler import Sampler
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.exposition import Series
from slipway_operator.domain.metrics_api.measures import Snapshot
from slipway_operator.domain.metrics_api.queries import ValueQuery
from slipway_operator.domain.metrics_api.readings import Target
from slipway_operator.domain.metrics_api.router_loads import requests_by_host
from tests.operators import Clock

TEI = Target("models", "tei-0", "u1", "10.0.0.1", {"slipway.dev/engine": "tei"})
VLLM = Target("models", "vllm-0", "u2", "10.0.0.2", {"slipway.dev/engine": "vllm"})
ROUTER = """\
# TYPE slipway_router_replica_in_flight_requests gauge
slipway_router_replica_in_flight_requests{namespace="models",model="tei",endpoint="10.0.0.1:8000"} 3.0
slipway_router_replica_in_flight_requests{namespace="models",model="six",endpoint="[fd00::1]:8000"} 2.0
slipway_router_replica_in_flight_requests{namespace="models",model="odd",endpoint="10.0.0.9:8000"} NaN
slipway_router_replica_in_flight_requests{namespace="models",model="odd",endpoint="example.com:443"} 1.0
slipway_router_endpoints{namespace="models",model="tei"} 1.0
"""


class World:
    """The ports of a `Sampler`."""

    def __init__(self, *targets: Target) -> None:
        self.followed = targets
        self.loads: Mapping[str, float] | None = {"10.0.0.1": 5.0, "10.0.0.2": 99.0}
        self.routers_asked = 0

    async def targets(self) -> Sequence[Target]:
        return self.followed

    async def read(self, target: Target) -> Snapshot | None:
        return {"te_queue_size": Series(4.0, 1)} if target is TEI else {"slipway_runtime_in_flight": Series(7.0, 1)}

    async def requests_by_host(self) -> Mapping[str, float]:
        self.routers_asked += 1
        if self.loads is None:
            raise ClusterError(0, "it does not answer")
        return self.loads


def value(sampler: Sampler, metric: str, pod: str) -> str:
    query = ValueQuery("v1beta2", "models", "pods", pod, metric, "", "")
    return str(sampler.answer(query)["items"][0]["value"])


def test_requests_are_added_up_over_routers_by_pod() -> None:
    assert requests_by_host([ROUTER, ROUTER, ""]) == {"10.0.0.1": 6.0, "fd00::1": 4.0, "10.0.0.9": 0.0}


async def test_their_count_stands_beside_what_the_container_tells() -> None:
    clock, world = Clock(), World(TEI, VLLM)
    sampler = Sampler(world, world, world, clock.monotonic, clock.now)
    await sampler.sample()
    assert value(sampler, "slipway_in_flight_requests", "tei-0") == "5"
    assert value(sampler, "slipway_queue_length", "tei-0") == "4"
    assert value(sampler, "slipway_in_flight_requests", "vllm-0") == "7"


async def test_a_pod_that_no_router_has_requests_at_has_none() -> None:
    clock, world = Clock(), World(TEI)
    world.loads = {}
    sampler = Sampler(world, world, world, clock.monotonic, clock.now)
    await sampler.sample()
    assert value(sampler, "slipway_in_flight_requests", "tei-0") == "0"


@pytest.mark.parametrize(("targets", "asked"), [((VLLM,), 0), ((), 0), ((TEI, VLLM, TEI), 1)])
async def test_routers_are_asked_only_for_such_containers(targets: tuple[Target, ...], asked: int) -> None:
    clock, world = Clock(), World(*targets)
    await Sampler(world, world, world, clock.monotonic, clock.now).sample()
    assert world.routers_asked == asked


async def test_while_the_routers_are_not_known_nothing_is_made_up() -> None:
    clock, world = Clock(), World(TEI)
    world.loads = None
    sampler = Sampler(world, world, world, clock.monotonic, clock.now)
    await sampler.sample()
    assert value(sampler, "slipway_queue_length", "tei-0") == "4"
    with pytest.raises(Exception, match="slipway_in_flight_requests"):
        value(sampler, "slipway_in_flight_requests", "tei-0")
