"""Which pods the sampler asks, and what becomes of those that do not answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiohttp import web

from slipway_crds.names import child_name
from slipway_operator.adapters.metrics_api.pod_metrics import HttpPodMetrics, asking_pods
from slipway_operator.app.metrics_api.sampler import Sampler
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.documents import ApiError
from slipway_operator.domain.metrics_api.exposition import Series
from slipway_operator.domain.metrics_api.measures import Snapshot
from slipway_operator.domain.metrics_api.queries import ValueQuery
from slipway_operator.domain.metrics_api.readings import STALE_SECONDS, Target
from slipway_operator.domain.metrics_api.targets import followed_models, target_of
from tests.operators import Clock

IN_FLIGHT = "slipway_in_flight_requests"
HERE = Target("models", "chat-0", "u", "127.0.0.1", {})
BUSY: Snapshot = {"slipway_runtime_in_flight": Series(3.0, 1)}


def autoscaler(*metrics: dict[str, Any], kind: str = "Deployment", name: str = "chat") -> dict[str, Any]:
    spec = {"scaleTargetRef": {"kind": kind, "name": name}, "metrics": list(metrics)}
    return {"metadata": {"name": "any", "namespace": "models"}, "spec": spec}


def by_pods(metric: str) -> dict[str, Any]:
    return {"type": "Pods", "pods": {"metric": {"name": metric}}}


def by_object(metric: str, kind: str, name: str) -> dict[str, Any]:
    return {"type": "Object", "object": {"metric": {"name": metric}, "describedObject": {"kind": kind, "name": name}}}


@pytest.mark.parametrize(
    ("scaler", "models"),
    [
        (autoscaler(by_pods(IN_FLIGHT)), {"chat"}),
        (autoscaler(by_pods("somebody_elses")), set()),
        (autoscaler(by_pods(IN_FLIGHT), kind="StatefulSet"), set()),
        (autoscaler({"type": "Resource", "resource": {"name": "cpu"}}), set()),
        (autoscaler(by_object(IN_FLIGHT, "Service", "other"), kind="StatefulSet"), {"other"}),
        (autoscaler(by_object(IN_FLIGHT, "ModelDeployment", "m" * 70)), {child_name("m" * 70)}),
        ({"metadata": {"name": "any", "namespace": "models"}, "spec": {"scaleTargetRef": {}}}, set()),
    ],
)
def test_models_are_followed_by_our_metrics(scaler: dict[str, Any], models: set[str]) -> None:
    assert followed_models([scaler]).get("models", set()) == models


def test_only_ready_pods_with_an_address_are_asked() -> None:
    labels = {"slipway.dev/model": "chat"}
    metadata = {"namespace": "models", "name": "chat-0", "uid": "u", "labels": labels}
    status = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    assert target_of({"metadata": metadata, "status": status}) == Target("models", "chat-0", "u", "10.0.0.1", labels)
    assert target_of({"metadata": metadata, "status": {**status, "podIP": ""}}) is None
    assert target_of({"metadata": metadata, "status": {**status, "conditions": []}}) is None
    assert target_of({"metadata": {**metadata, "deletionTimestamp": "now"}, "status": status}) is None


class World:
    """Pods by address and what they answer; the API server may be away."""

    def __init__(self, **answers: Snapshot | None) -> None:
        self.answers = answers
        self.away = False

    async def targets(self) -> Sequence[Target]:
        if self.away:
            raise ClusterError(0, "away")
        return [Target("models", name, name, name, {}) for name in self.answers]

    async def read(self, target: Target) -> Snapshot | None:
        return self.answers[target.ip]

    async def requests_by_host(self) -> Mapping[str, float]:
        raise AssertionError("every pod here tells its own requests")


def told(sampler: Sampler) -> set[str]:
    items = sampler.answer(ValueQuery("v1beta2", "models", "pods", "*", IN_FLIGHT, "", ""))["items"]
    return {item["describedObject"]["name"] for item in items}


async def test_who_does_not_answer_is_told_for_a_while() -> None:
    clock, world = Clock(), World(a=BUSY, b=BUSY, c=None)
    sampler = Sampler(world, world, world, clock.monotonic, clock.now)
    await sampler.sample()
    assert told(sampler) == {"a", "b"}
    world.answers["b"] = None
    for _ in range(int(STALE_SECONDS // 5) + 1):
        clock.seconds += 5
        await sampler.sample()
    assert told(sampler) == {"a"}


async def test_pods_are_asked_on_while_the_api_server_is_away() -> None:
    clock, world = Clock(), World(a=BUSY)
    sampler = Sampler(world, world, world, clock.monotonic, clock.now)
    await sampler.sample()
    world.away = True
    clock.seconds += 2 * STALE_SECONDS
    await sampler.sample()
    assert told(sampler) == {"a"}
    world.away, world.answers = False, {}
    await sampler.sample()
    assert told(sampler) == set()
    with pytest.raises(ApiError):
        sampler.answer(ValueQuery("v1beta2", "models", "pods", "a", IN_FLIGHT, "", ""))


@pytest.mark.parametrize(
    ("status", "body", "read"),
    [
        (200, b"slipway_runtime_in_flight 3\nunknown 1\n", BUSY),
        (200, b"", {}),
        (503, b"slipway_runtime_in_flight 3\n", None),
        (302, b"", None),
        (200, b"\xff", None),
        (200, b"#" * (4 * 1024 * 1024 + 1), None),
    ],
    ids=["metrics", "none", "an error", "elsewhere", "no text", "too long"],
)
async def test_an_answer_is_bounded_and_checked(status: int, body: bytes, read: Snapshot | None) -> None:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Location": "/metrics"})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with asking_pods() as session:
            assert await HttpPodMetrics(session, runner.addresses[0][1]).read(HERE) == read
    finally:
        await runner.cleanup()


def test_nobody_there_is_no_answer() -> None:
    async def main() -> Snapshot | None:
        async with asking_pods() as session:
            return await HttpPodMetrics(session, 1).read(HERE)

    assert asyncio.run(main()) is None
