"""A real router on loopback, in the test's own event loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, TypeVar

import httpx2
import openai

from slipway_crds.engines import EngineType, Task
from slipway_crds.keys import hash_key
from slipway_router.app.router import Router, serving
from slipway_router.app.router_options import RouterOptions, Sources
from slipway_router.domain.api.managing import ModelManager, NoManager
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, KeyStore
from slipway_router.domain.models.catalogue import Catalogue, CatalogueStore, Endpoint, Model, operations_of
from slipway_router.domain.models.provider import KeyLookup, no_keys
from slipway_router.domain.models.waking import NoWaker, Waker

KEY = "sk-slipway-all"
CHAT_KEY = "sk-slipway-chat"
EXPIRED_KEY = "sk-slipway-expired"
TEXT_TASKS = frozenset({Task.CHAT, Task.COMPLETIONS, Task.EMBEDDINGS})
T = TypeVar("T")

RING = KeyRing.of(
    [
        (hash_key(KEY), Key(Caller("default/all"))),
        (hash_key(CHAT_KEY), Key(Caller("default/chat", models=("chat-*",)))),
        (hash_key(EXPIRED_KEY), Key(Caller("default/expired"), expires_at=1.0)),
    ]
)


def model(name: str, *ports: int, **fields: Any) -> Model:
    """A model with a replica on each of ``ports``; by default one of vLLM that does all text tasks."""
    endpoints = tuple(Endpoint("127.0.0.1", port) for port in ports)
    defaults = {"engine": EngineType.VLLM, "tasks": TEXT_TASKS, "served_names": (name,), "endpoints": endpoints}
    fields = defaults | fields
    operations = operations_of(fields["engine"], fields["tasks"])
    return Model(name=name, operations=operations, **fields)


@dataclass
class RouterUnderTest:
    """A router, what it knows, and ways to talk to it."""

    router: Router
    catalogue: CatalogueStore
    keys: KeyStore
    log: BytesIO
    closing: AsyncExitStack
    """What to close before the router."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.router.port}"

    def openai(self, key: str = KEY) -> openai.AsyncOpenAI:
        client = openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=10)
        self.closing.push_async_callback(client.close)
        return client

    async def request(self, method: str, path: str, key: str | None = KEY, **options: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with httpx2.AsyncClient(timeout=10) as client:
            headers |= options.pop("headers", {})
            return await client.request(method, self.url + path, headers=headers, **options)

    async def post(self, path: str, content: Any, key: str | None = KEY, **options: Any) -> httpx2.Response:
        return await self.request("POST", path, key, json=content, **options)

    @asynccontextmanager
    async def streaming(
        self, content: Any, key: str = KEY
    ) -> AsyncIterator[tuple[httpx2.Response, AsyncIterator[str]]]:
        """A chat whose answer has begun, and the lines of its body that are not empty."""
        headers = {"authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(timeout=10) as client,
            client.stream("POST", f"{self.url}/v1/chat/completions", headers=headers, json=content) as answer,
        ):
            yield answer, (line async for line in answer.aiter_lines() if line)

    def change(self, name: str, **fields: Any) -> None:
        """Change fields of one model in the catalogue."""
        models = self.catalogue.current.models
        self.catalogue.replace(Catalogue.of(replace(m, **fields) if m.name == name else m for m in models))

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric with these labels."""
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.router.admin_port}/metrics")).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(pair in line for pair in wanted))

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@asynccontextmanager
async def running_router(
    models: Sequence[Model] = (),
    *,
    waker: Waker | None = None,
    provider_keys: KeyLookup = no_keys,
    synced: Callable[[], bool] = lambda: True,
    drain_seconds: float = 0.0,
    manager: ModelManager | None = None,
    **options: Any,
) -> AsyncIterator[RouterUnderTest]:
    """A router that serves ``models`` to the keys of this module."""
    catalogue, keys, log = CatalogueStore(Catalogue.of(models)), KeyStore(RING), BytesIO()
    sources = Sources(catalogue, keys, synced, waker or NoWaker(), provider_keys, manager=manager or NoManager())
    served = serving(
        sources,
        host="127.0.0.1",
        port=0,
        admin_port=0,
        options=RouterOptions(**options),
        access_log=log,
        drain_seconds=drain_seconds,
    )
    async with served as router, AsyncExitStack() as closing:
        yield RouterUnderTest(router, catalogue, keys, log, closing)


async def eventually_async(what: str, look: Callable[[], T], holds: Callable[[T], bool], *, within: float = 5.0) -> T:
    """Look until ``holds``; fails with what was last seen."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not holds(seen := look()):
        if loop.time() > deadline:
            raise AssertionError(f"{what}: not within {within:g} s; last seen: {seen!r}")
        await asyncio.sleep(0.005)
    return seen


def chat(name: str = "chat-a", **fields: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": name, "messages": [{"role": "user", "content": "Hi"}], **fields}
