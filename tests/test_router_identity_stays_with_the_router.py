"""Engines see neither keys nor who asks; callers see none of the engines' own header fields."""

import pytest

from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import KEY, chat, model, running_router

pytestmark = pytest.mark.local

SECRETS = {
    "cookie": "session=1",
    "x-api-key": KEY,
    "proxy-authorization": "Basic eA==",
    "x-forwarded-for": "203.0.113.7",
    "forwarded": "for=203.0.113.7",
    "x-real-ip": "203.0.113.7",
    "x-remote-user": "alice",
    "openai-organization": "org",
    "connection": "keep-alive, x-hop",
    "x-hop": "1",
    "te": "trailers",
    "accept-encoding": "gzip",
}


async def test_engines_get_an_anonymous_request() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        await router.post(
            "/v1/chat/completions", chat(), headers=SECRETS | {"x-request-id": "r-1", "traceparent": "00-1"}
        )
    seen = engine.requests[0].headers
    assert set(seen) == {
        "host", "accept", "content-type", "content-length", "accept-encoding", "x-request-id", "traceparent",
    }  # fmt: skip
    assert seen["host"] == f"127.0.0.1:{engine.port}"
    assert seen["accept-encoding"] == "identity"
    assert seen["x-request-id"] == "r-1"
    assert KEY not in str(seen)


async def with_own_headers(received: Received, reply: Reply) -> None:
    headers = (
        "server: engine/1\r\nset-cookie: a=b\r\naccess-control-allow-origin: *\r\nx-engine: 1\r\nkeep-alive: 5\r\n"
    )
    await reply.json({}, headers=headers)


async def test_callers_get_no_header_that_speaks_for_the_router() -> None:
    async with upstream(with_own_headers) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post("/v1/chat/completions", chat())
    assert set(answer.headers) == {"content-type", "content-length", "x-engine", "x-request-id"}
