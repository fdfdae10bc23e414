"""Metrics, access log, probes: what ran, how long, how many tokens; never what was said."""

import asyncio

import httpx2
import pytest

from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import CHAT_KEY, KEY, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"


async def test_metrics() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        await router.post(CHAT, chat())
        await router.post(CHAT, chat(stream=True))
        await router.post(CHAT, chat("no-such"))
        ok = await router.metric("slipway_router_requests_total", model="chat-a", route=CHAT, status="200")
        unknown = await router.metric("slipway_router_requests_total", model="", status="404")
        prompt = await router.metric("slipway_router_tokens_total", model="chat-a", kind="prompt")
        completion = await router.metric("slipway_router_tokens_total", model="chat-a", kind="completion")
        first_bytes = await router.metric("slipway_router_time_to_first_byte_seconds_count", model="chat-a")
        endpoints = await router.metric("slipway_router_endpoints", model="chat-a")
    assert (ok, unknown, prompt, completion, first_bytes, endpoints) == (2, 1, 14, 6, 2, 1)


async def silent(received: Received, reply: Reply) -> None:
    await asyncio.Event().wait()


async def test_requests_at_work_by_replica() -> None:
    async with upstream(silent) as one, upstream(silent) as other:
        replicas = [f"127.0.0.1:{engine.port}" for engine in (one, other)]
        async with running_router([model("chat-a", one.port, other.port)]) as router:
            pending = asyncio.create_task(router.post(CHAT, chat()))
            await eventually_async("it is at work", lambda: one.requests + other.requests, bool)
            name = "slipway_router_replica_in_flight_requests"
            counts = [await router.metric(name, model="chat-a", endpoint=replica) for replica in replicas]
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)
    assert counts == [float(len(engine.requests)) for engine in (one, other)]
    assert sum(counts) == 1


async def test_access_log() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        await router.post(CHAT, chat(), key=CHAT_KEY, headers={"x-request-id": "r-1"})
        await router.post(CHAT, chat(), key="sk-slipway-wrong")
    served, refused = router.log_lines()
    assert served["request_id"] == "r-1"
    assert (served["status"], served["model"], served["key"]) == (200, "default/chat-a", "default/chat")
    assert (served["prompt_tokens"], served["completion_tokens"], served["stream"]) == (7, 3, False)
    assert 0 < served["first_byte_us"] <= served["duration_us"] < 10_000_000
    assert served["endpoint"] == f"127.0.0.1:{engine.port}"
    assert (refused["status"], refused["error"], refused["key"]) == (401, "invalid_api_key", None)
    text = router.log.getvalue()
    assert not [secret for secret in (b"Hi", b"Hello", KEY.encode(), b"sk-slipway") if secret in text]


async def test_probes() -> None:
    known = False
    async with running_router(synced=lambda: known) as router, httpx2.AsyncClient() as client:
        admin = f"http://127.0.0.1:{router.router.admin_port}"
        paths = [f"{admin}/readyz", f"{router.url}/health/ready", f"{router.url}/readiness"]
        live = [(await client.get(url)).status_code for url in (f"{admin}/livez", f"{router.url}/health/live")]
        before = [(await client.get(path)).status_code for path in paths]
        known = True
        after = [(await client.get(path)).status_code for path in paths]
    assert live == [200, 200]
    assert before == [503] * 3
    assert after == [200] * 3


async def test_the_admin_port_serves_no_models_and_the_data_port_no_metrics() -> None:
    async with running_router() as router, httpx2.AsyncClient() as client:
        models = await client.get(f"http://127.0.0.1:{router.router.admin_port}/v1/models")
        metrics = await router.request("GET", "/metrics")
    assert (models.status_code, metrics.status_code) == (404, 404)
