"""`/admin`, for admin keys: what models do and did, and their loading and unloading where that is enabled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipway_crds.keys import hash_key
from slipway_router.app.options import AdminOptions, Features
from slipway_router.domain.api.managing import NoManager
from slipway_router.domain.callers.keys import Caller, Key, KeyRing
from slipway_router.domain.models.catalogue import Model
from tests.fakes.upstream import upstream
from tests.routers import RING, RouterUnderTest, chat, model, running_router

pytestmark = pytest.mark.local

ADMIN = "sk-slipway-admin"
CALLS = [
    ("GET", "/admin/models", None),
    ("GET", "/admin/metrics", None),
    ("POST", "/admin/models/load", {"model": "chat-a"}),
    ("POST", "/admin/models/unload", {"model": "chat-a"}),
]


class Manager:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def load(self, model: Model) -> None:
        self.asked.append(("load", model.key))

    async def unload(self, model: Model) -> None:
        self.asked.append(("unload", model.key))


@asynccontextmanager
async def administered(*models: Model, enabled: bool = True, **sources: Any) -> AsyncIterator[RouterUnderTest]:
    features = Features(admin=AdminOptions(manage_models=enabled))
    async with running_router(models, features=features, **sources) as router:
        admin = (hash_key(ADMIN), Key(Caller("default/admin", admin=True)))
        router.keys.replace(KeyRing.of([*RING.keys.items(), admin]))
        yield router


async def test_every_model_is_listed_with_its_state() -> None:
    async with administered(model("chat-a", 1), model("embed-a", namespace="other", wakeable=True)) as router:
        models = (await router.request("GET", "/admin/models", ADMIN)).json()["models"]
    assert [(each["namespace"], each["name"], each["state"], each["replicas"]) for each in models] == [
        ("default", "chat-a", "ready", 1),
        ("other", "embed-a", "unavailable", 0),
    ]
    assert models[0]["in_flight"] == models[0]["waiting"] == 0


async def test_numbers_are_told_by_model() -> None:
    async with upstream() as engine, administered(model("chat-a", engine.port), model("idle", 1)) as router:
        for _ in range(3):
            await router.post("/v1/chat/completions", chat())
        await router.post("/v1/rerank", {"model": "chat-a", "query": "q", "documents": ["d"]})
        numbers = (await router.request("GET", "/admin/metrics", ADMIN)).json()["models"]
    (one,) = [each for each in numbers if each["model"] == "chat-a"]
    assert (one["requests"], one["errors"]) == (4, 1)
    assert (one["prompt_tokens"], one["completion_tokens"]) == (21, 9)
    assert 0 < one["latency"]["p50"] <= one["latency"]["p95"]
    assert one["latency"]["mean"] > 0
    assert one["cache"] == {"hits": 0, "misses": 0, "stores": 0}


async def test_models_are_loaded_and_unloaded_by_either_name() -> None:
    manager = Manager()
    async with administered(model("chat-a", 1), manager=manager) as router:
        loaded = await router.post("/admin/models/load", {"model": "chat-a"}, ADMIN)
        unloaded = await router.post("/admin/models/unload", {"model": "default/chat-a"}, ADMIN)
        unknown = await router.post("/admin/models/load", {"model": "nobody"}, ADMIN)
    assert (loaded.status_code, loaded.json()) == (202, {"model": "default/chat-a", "state": "ready"})
    assert unloaded.status_code == 202
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert manager.asked == [("load", "default/chat-a"), ("unload", "default/chat-a")]


@pytest.mark.parametrize(("method", "path", "content"), CALLS)
async def test_other_keys_are_refused(method: str, path: str, content: Any) -> None:
    async with administered(model("chat-a", 1)) as router:
        other = await router.request(method, path, json=content)
        nobody = await router.request(method, path, key=None, json=content)
    assert (other.status_code, other.json()["error"]["code"]) == (403, "admin_required")
    assert nobody.status_code == 401


async def test_what_is_not_enabled_says_how_to_enable_it() -> None:
    manager = Manager()
    async with administered(model("chat-a", 1), enabled=False, manager=manager) as router:
        answer = await router.post("/admin/models/load", {"model": "chat-a"}, ADMIN)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_enabled")
    assert "router.adminApi.manageModels" in answer.json()["error"]["message"]
    assert manager.asked == []


async def test_without_a_manager_nothing_is_enabled() -> None:
    async with administered(model("chat-a", 1), manager=NoManager()) as router:
        answer = await router.post("/admin/models/unload", {"model": "chat-a"}, ADMIN)
    assert answer.status_code == 403
