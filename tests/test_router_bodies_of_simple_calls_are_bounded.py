"""Bodies of the simple API, of sessions and of admins' calls are within the router's limits on bodies, too."""

import asyncio
import json

import pytest

from tests.fakes.upstream import upstream
from tests.routers import KEY, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local

PATH = "/api/chat"
BODY = json.dumps({"model": "chat-a", "messages": chat()["messages"], "mine": "x" * 600_000}).encode()
HEAD = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(BODY)}\r\n\r\n"


async def test_all_of_them_together_are_bounded() -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port)], max_buffered_bytes=10**6) as router,
    ):
        bodies = router.router.pipeline.bodies
        _, writer = await asyncio.open_connection("127.0.0.1", router.router.port)
        writer.write(HEAD.encode() + BODY[:-1])
        await eventually_async("the body is held", lambda: bodies.size, lambda size: size == len(BODY) - 1)
        refused = await router.request("POST", PATH, content=BODY)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        await eventually_async("nothing is held", lambda: bodies.size, lambda size: size == 0)
        served = await router.request("POST", PATH, content=BODY)
        assert bodies.size == 0
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "router_overloaded")
    assert refused.headers["retry-after"] == "1"
    assert served.status_code == 200


async def test_none_is_larger_than_the_router_takes_any() -> None:
    async with running_router([model("chat-a", 1)], max_body_bytes=100_000) as router:
        refused = await router.request("POST", PATH, content=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "request_too_large")
