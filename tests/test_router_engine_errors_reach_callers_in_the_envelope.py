"""An engine's word on a wrong request reaches the caller, always in the envelope; its own troubles do not."""

import json

import pytest

from slipway_router.domain.engine_errors import explain
from tests.fakes.upstream import Received, Reply, upstream
from tests.routers import chat, model, running_router

OPENAI = {"error": {"message": "max_tokens is too large", "type": "x", "param": "max_tokens", "code": "y"}}

# engine's status, engine's body, caller's status, caller's code, text in the caller's message
TABLE = [
    (400, OPENAI, 400, "y", "max_tokens is too large"),
    (422, {"detail": "too long"}, 422, "request_refused", "too long"),
    (400, {"error": "no such thing"}, 400, "request_refused", "no such thing"),
    (404, "<html>", 404, "request_refused", "refused this request"),
    (400, {"message": {"a": 1}}, 400, "request_refused", "refused this request"),
    (500, {"error": {"message": "CUDA secret"}}, 502, "engine_error", "failed"),
    (401, {"error": {"message": "bad internal key"}}, 502, "engine_error", "failed"),
    (503, {"error": {"message": "loading secret"}}, 503, "model_unavailable", "busy"),
    (429, "slow", 503, "model_unavailable", "busy"),
]


@pytest.mark.parametrize(("status", "body", "shown_status", "code", "text"), TABLE)
def test_what_a_caller_sees(status: int, body: object, shown_status: int, code: str, text: str) -> None:
    got_status, got_body, _ = explain(status, json.dumps(body).encode(), "m")
    error = json.loads(got_body)["error"]
    assert (got_status, error["code"]) == (shown_status, code)
    assert text in error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "secret" not in error["message"]


@pytest.mark.local
async def test_through_the_router() -> None:
    async def refuses(received: Received, reply: Reply) -> None:
        await reply.json({"detail": "too long"}, "422 Unprocessable")

    async with upstream(refuses) as engine, running_router([model("chat-a", engine.port)]) as router:
        answers = [await router.post("/v1/chat/completions", chat(stream=stream)) for stream in (True, False)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert {answer.json()["error"]["message"] for answer in answers} == {"too long"}
    assert engine.connections == 1


@pytest.mark.local
async def test_an_endless_error_is_cut_short() -> None:
    async def rambles(received: Received, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await reply.chunk(b"x" * 10_000)

    async with upstream(rambles) as engine, running_router([model("chat-a", engine.port)]) as router:
        answer = await router.post("/v1/chat/completions", chat())
    assert answer.status_code == 502
    assert engine.abandoned == 1
