"""Requests for a sleeping model become ``status.demand`` in the API server: one word for all of them, and at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.eventually import eventually
from tests.router_process import RouterProcess, RouterRights, World

pytestmark = pytest.mark.apiserver
CALLERS = 20
SLEEPY = {"autoscaling": {"minReplicas": 0, "maxReplicas": 2, "scaleToZero": {"idleAfter": "15m"}}}


def call(router: RouterProcess, key: str, name: str) -> httpx2.Response:
    body = {"model": name, "messages": [{"role": "user", "content": "Hi"}]}
    url = f"http://127.0.0.1:{router.port}/v1/chat/completions"
    return httpx2.post(url, headers={"authorization": f"Bearer {key}"}, json=body, timeout=60)


def status(world: World, name: str) -> dict[str, Any]:
    found = world.kubectl(
        f"--namespace={world.namespace}", "get", "mdep", name, "--output=json", "--show-managed-fields"
    )
    body: dict[str, Any] = json.loads(found)
    return body


def status_writes(world: World) -> float:
    """Writes of the status of ModelDeployments that the API server has counted."""
    lines = world.kubectl("get", "--raw", "/metrics").splitlines()
    wanted = [line for line in lines if line.startswith("apiserver_request_total{") and 'verb="PATCH"' in line]
    ours = [line for line in wanted if 'resource="modeldeployments"' in line and 'subresource="status"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in ours)


def waiting(router: RouterProcess) -> float:
    lines = router.admin("/metrics").text.splitlines()
    samples = [line for line in lines if line.startswith("slipway_router_waiting_requests{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)


def test_many_who_wait_are_told_of_once(router_rights: RouterRights, world: World, tmp_path: Path) -> None:
    name, key = f"m-{world.namespace}", f"sk-{world.namespace}"
    world.key("one", key, models=["*"])
    world.model(name, **SLEEPY, routing={"queue": {"timeout": "5s"}})
    with router_rights.running(tmp_path) as router, ThreadPoolExecutor(CALLERS) as callers:
        eventually("the model is known", lambda: name in str(router.states(key)), bool, within=20)
        before = status_writes(world)
        answers = [callers.submit(call, router, key, name) for _ in range(CALLERS)]
        eventually("all wait", lambda: waiting(router), lambda n: n == CALLERS, within=10)
        demand = eventually(
            "the demand is told", lambda: status(world, name)["status"]["demand"], lambda d: d["waiting"] > 0, within=10
        )
        assert status_writes(world) - before == 1
        refused = [answer.result() for answer in answers]
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["error"]["code"] for answer in refused} == {"model_unavailable"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    writers = {entry["manager"] for entry in status(world, name)["metadata"]["managedFields"] if "status" in str(entry)}
    assert (writers, demand["lastActiveAt"][:2]) == ({"slipway-router"}, "20")
