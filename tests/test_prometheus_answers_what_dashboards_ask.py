"""A real Prometheus scrapes a router and a runtime, and every query of the dashboards finds data."""

import asyncio
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
import yaml

from slipway_crds.keys import hash_key
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, Limits
from slipway_router.domain.models.catalogue import Model
from slipway_router.domain.requests.policy import CachePolicy, RequestPolicy
from tests.chart import CHART
from tests.prometheus import Prometheus, Sample, check_page, prometheus
from tests.routers import CHAT_KEY, KEY, RING, RouterUnderTest, chat, model, running_router
from tests.runtimes import RuntimeProcess, runtime

pytestmark = pytest.mark.local
PATH = "/v1/chat/completions"
DOCUMENT = CHART.parent.parent / "docs" / "observability.md"
LIMITED_KEY = "sk-slipway-limited"
RING_WITH_LIMITS = KeyRing(
    {**RING.keys, hash_key(LIMITED_KEY): Key(Caller("default/limited", limits=Limits(concurrent_requests=0)))}
)
QUERIES: list[dict[str, str]] = yaml.safe_load((CHART / "files" / "queries.yaml").read_text())


def models_of(dummy: RuntimeProcess) -> list[Model]:
    kept = RequestPolicy(cache=CachePolicy(ttl=60, shared=False, max_entries=None, identity="1"))
    return [
        model("chat-a", dummy.env.data_port),
        model("chat-kept", dummy.env.data_port, requests=kept),
        model("chat-dead", 1, 2),
    ]


async def page(port: int) -> str:
    async with httpx2.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/metrics")).text


async def use(router: RouterUnderTest) -> None:
    """Some of everything: answers, streams, two keys, errors of callers and of engines, an answer broken off."""
    for key in (KEY, CHAT_KEY):
        assert (await router.post(PATH, chat(), key=key)).status_code == 200
    assert (await router.post(PATH, chat(stream=True, stream_options={"include_usage": True}))).status_code == 200
    assert (await router.post(PATH, chat("no-such"))).status_code == 404
    assert (await router.post(PATH, chat(dummy={"fail_status": 500}))).status_code == 502
    assert (await router.post(PATH, chat("chat-dead"))).status_code == 502
    for _ in range(2):
        assert (await router.post(PATH, chat("chat-kept", temperature=0))).status_code == 200
    assert (await router.post(PATH, chat(), key=LIMITED_KEY)).status_code == 429
    async with router.streaming(chat(stream=True, max_tokens=500, dummy={"tokens_per_second": 20})) as (_, lines):
        await anext(lines)


async def ask_all(server: Prometheus) -> dict[str, list[Sample]]:
    return {entry["name"]: await asyncio.to_thread(server.ask, entry["query"]) for entry in QUERIES}


def without_data(answers: dict[str, list[Sample]]) -> list[str]:
    return [name for name, samples in answers.items() if not [value for _, value in samples if not math.isnan(value)]]


@pytest.fixture(scope="module")
def dummy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    with runtime(
        tmp_path_factory.mktemp("dummy"), model_name="chat-a", served_names=("chat-a", "chat-kept")
    ) as process:
        process.wait_for_phase("ready")
        yield process


async def test_every_query_of_the_dashboards_finds_data(dummy: RuntimeProcess, tmp_path: Path) -> None:
    async with running_router(models_of(dummy)) as router:
        router.keys.replace(RING_WITH_LIMITS)
        await use(router)
        jobs = {"slipway-router": router.router.admin_port, "slipway-runtime": dummy.env.control_port}
        with ExitStack() as closing:
            # In a thread: the router that it scrapes lives in this one.
            server = await asyncio.to_thread(closing.enter_context, prometheus(tmp_path, jobs))
            await use(router)
            answers: dict[str, list[Sample]] = {}
            for _ in range(40):
                answers = await ask_all(server)
                if not without_data(answers):
                    break
                await asyncio.sleep(0.25)
    assert without_data(answers) == []
    assert {(labels.get("namespace"), labels.get("model")) for labels, _ in answers["requests by model"]} >= {
        ("default", "chat-a"),
        ("default", "chat-dead"),
    }
    assert {labels["key"] for labels, _ in answers["tokens by key"]} >= {"default/all", "default/chat"}
    assert {labels["key"] for labels, _ in answers["requests that a limit refused, by key"]} == {"default/limited"}
    assert {labels["code"] for labels, _ in answers["errors by code"]} >= {"model_not_found", "engine_error"}
    assert [value for _, value in answers["routers that know their models"]] == [1]


async def test_pages_of_metrics_are_as_prometheus_wants_them(dummy: RuntimeProcess) -> None:
    async with running_router(models_of(dummy)) as router:
        router.keys.replace(RING_WITH_LIMITS)
        await use(router)
        pages = [await page(router.router.admin_port), await page(dummy.env.control_port)]
    for text in pages:
        assert "slipway_" in text
        check_page(text)


async def test_documented_metrics_are_on_the_pages(dummy: RuntimeProcess) -> None:
    documented = set(re.findall(r"`(slipway_r[a-z_]+[a-z])(?=[`])", DOCUMENT.read_text()))
    async with running_router(models_of(dummy)) as router:
        router.keys.replace(RING_WITH_LIMITS)
        await use(router)
        text = await page(router.router.admin_port) + await page(dummy.env.control_port)
    there = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    assert len(documented) > 15
    assert documented - there == set()
