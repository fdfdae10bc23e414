"""Public clients of text-embeddings-inference and OpenAI's reach ONNX models through the router, by their base URL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipway_crds.engines import EngineType, Task
from tests import tei_clients
from tests.routers import KEY, model, running_router
from tests.runtimes import START_SECONDS, RuntimeProcess, runtime

pytestmark = pytest.mark.local

HEADERS = {"authorization": f"Bearer {KEY}"}
MODELS = {"embed": Task.EMBEDDINGS, "org/rerank": Task.RERANK, "classify": Task.CLASSIFY}
"""Served names, and what each does."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RuntimeProcess]]:
    folder = tmp_path_factory.mktemp("onnx")
    started: dict[str, RuntimeProcess] = {}

    def start(names: list[str]) -> Iterator[dict[str, RuntimeProcess]]:
        if not names:
            for process in started.values():
                process.wait_for_phase("ready", len(MODELS) * START_SECONDS)
            yield started
            return
        name, task = names[0], MODELS[names[0]]
        own = folder / task
        own.mkdir()
        facts: dict[str, Any] = {
            "model_source": f"demo://{name.removeprefix('org/')}",
            "tasks": (str(task),),
            "served_names": (name,),
        }
        with runtime(own, engine="onnx", **facts) as started[name]:
            yield from start(names[1:])

    yield from start(list(MODELS))


@asynccontextmanager
async def router_url(engines: dict[str, RuntimeProcess]) -> AsyncIterator[str]:
    models = [
        model(name, process.env.data_port, engine=EngineType.ONNX, tasks=frozenset({MODELS[name]}))
        for name, process in engines.items()
    ]
    async with running_router(models) as router:
        yield router.url


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("embed", tei_clients.check_tei_client_embeds),
        ("org/rerank", tei_clients.check_tei_client_reranks),
        ("org%2Frerank", tei_clients.check_tei_client_reranks),
        ("classify", tei_clients.check_tei_client_classifies),
        ("embed", tei_clients.check_huggingfaces_client_embeds),
    ],
)
async def test_by_base_url(
    engines: dict[str, RuntimeProcess], name: str, check: Callable[[str, dict[str, str]], None]
) -> None:
    async with router_url(engines) as url:
        await asyncio.to_thread(check, f"{url}/tei/{name}", HEADERS)


async def test_asynchronously(engines: dict[str, RuntimeProcess]) -> None:
    def check(url: str) -> None:  # The client blocks its own event loop now and then.
        asyncio.run(tei_clients.check_tei_client_embeds_asynchronously(url, HEADERS))

    async with router_url(engines) as url:
        await asyncio.to_thread(check, f"{url}/tei/embed")


@pytest.mark.parametrize("path", ["", "/tei/embed"])
async def test_openais_client(engines: dict[str, RuntimeProcess], path: str) -> None:
    async with router_url(engines) as url:
        await asyncio.to_thread(tei_clients.check_openais_client_embeds, f"{url}{path}", KEY, "embed")


@pytest.mark.parametrize(
    ("name", "check"),
    [("embed", tei_clients.check_huggingfaces_client_embeds), ("classify", tei_clients.check_tei_client_classifies)],
)
async def test_the_only_model_of_its_kind_needs_no_base_url(
    engines: dict[str, RuntimeProcess], name: str, check: Callable[[str, dict[str, str]], None]
) -> None:
    async with router_url({name: engines[name]}) as url:
        await asyncio.to_thread(check, url, HEADERS)
