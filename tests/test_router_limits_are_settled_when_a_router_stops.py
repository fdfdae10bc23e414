"""A router that stops gives back what its requests hold, those it cuts off too."""

import asyncio

import httpx2
import pytest

from slipway_router.app.options import Features
from slipway_router.domain.callers.keys import Limits
from tests.fakes.upstream import Received, Reply, chat_chunk, openai_like, upstream
from tests.limited_callers import LIMITED_KEY, limit
from tests.routers import chat, eventually_async, model, running_router
from tests.store_servers import StoreServer, store_server

__all__ = ["store_server"]
pytestmark = pytest.mark.local


async def endless_streams(received: Received, reply: Reply) -> None:
    if not received.json.get("stream"):
        await openai_like(received, reply)
        return
    await reply.begin_stream()
    await reply.event(chat_chunk("Once"))
    await asyncio.Event().wait()


async def test_places_are_free_for_the_next_router(store_server: StoreServer) -> None:
    features = Features.model_validate({"store": {"url": store_server.url, "timeout": 5}})
    limits = Limits(concurrent_requests=1, tokens_per_minute=10_000)
    async with upstream(endless_streams) as engine:
        models = [model("chat-a", engine.port)]
        async with running_router(models, features=features) as router:
            limit(router, limits)
            body = chat(stream=True)
            running = asyncio.ensure_future(router.post("/v1/chat/completions", body, LIMITED_KEY))
            await eventually_async("it runs", lambda: len(engine.requests), lambda count: count == 1)
            refused = await router.post("/v1/chat/completions", chat(), LIMITED_KEY)
            assert refused.status_code == 429
        with pytest.raises(httpx2.HTTPError):
            await running
        async with running_router(models, features=features) as router:
            limit(router, limits)
            admitted = await router.post("/v1/chat/completions", chat(), LIMITED_KEY)
            assert admitted.status_code == 200
