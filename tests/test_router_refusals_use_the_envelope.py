"""Whatever is wrong with a request, the answer is OpenAI's error object with the right status and code."""

from typing import Any

import httpx2
import pytest

from tests.routers import CHAT_KEY, EXPIRED_KEY, KEY, chat, model, running_router

pytestmark = pytest.mark.local

CHAT = "/v1/chat/completions"
MODELS = [
    model("chat-a", 1),
    model("embed-a", 1),
    model("down", reason="WeightsNotFound"),
]
BODY_LIMIT = 1000

# key, method, path, body, status, code, param
TABLE: list[tuple[str | None, str, str, Any, int, str, str | None]] = [
    (None, "POST", CHAT, chat(), 401, "invalid_api_key", None),
    ("sk-slipway-wrong", "POST", CHAT, chat(), 401, "invalid_api_key", None),
    (EXPIRED_KEY, "POST", CHAT, chat(), 401, "expired_api_key", None),
    (CHAT_KEY, "POST", CHAT, chat("embed-a"), 403, "model_not_allowed", "model"),
    (KEY, "POST", CHAT, chat("nobody"), 404, "model_not_found", "model"),
    (KEY, "POST", CHAT, chat("down"), 503, "model_unavailable", None),
    (KEY, "POST", "/v1/rerank", chat(), 404, "unsupported_task", "model"),
    (KEY, "POST", CHAT, b"{", 400, "invalid_json", None),
    (KEY, "POST", CHAT, b"\xff", 400, "invalid_json", None),
    (KEY, "POST", CHAT, b"[]", 400, "invalid_json", None),
    (KEY, "POST", CHAT, b"", 400, "invalid_json", None),
    (KEY, "POST", CHAT, {}, 400, "missing_required_parameter", "model"),
    (KEY, "POST", CHAT, {"model": 7}, 400, "invalid_value", "model"),
    (KEY, "POST", CHAT, chat(stream="yes"), 400, "invalid_value", "stream"),
    (KEY, "POST", CHAT, b"x" * (BODY_LIMIT + 1), 413, "request_too_large", None),
    (None, "POST", CHAT, b"x" * (BODY_LIMIT + 1), 413, "request_too_large", None),
    (KEY, "GET", CHAT, None, 405, "method_not_allowed", None),
    (KEY, "DELETE", "/v1/models", None, 405, "method_not_allowed", None),
    (KEY, "GET", "/v1/nothing", None, 404, "unknown_path", None),
    (KEY, "POST", "/v1/../metrics", chat(), 404, "unknown_path", None),
    (KEY, "GET", "/v1/models/nobody", None, 404, "model_not_found", "model"),
    (CHAT_KEY, "GET", "/v1/models/embed-a", None, 404, "model_not_found", "model"),
    (None, "GET", "/v1/models", None, 401, "invalid_api_key", None),
]


@pytest.mark.parametrize(("key", "method", "path", "body", "status", "code", "param"), TABLE)
async def test_refusal(
    key: str | None, method: str, path: str, body: Any, status: int, code: str, param: str | None
) -> None:
    content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
    async with running_router(MODELS, max_body_bytes=BODY_LIMIT) as router:
        answer = await router.request(method, path, key, **content)
    assert answer.status_code == status, answer.text
    assert_envelope(answer, code, param)


def assert_envelope(answer: httpx2.Response, code: str, param: str | None) -> None:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


async def test_a_refusal_says_how_to_go_on() -> None:
    async with running_router(MODELS) as router:
        unavailable = await router.post(CHAT, chat("down"))
        unauthorised = await router.post(CHAT, chat(), key=None)
        wrong_method = await router.request("GET", CHAT)
    assert int(unavailable.headers["retry-after"]) > 0
    assert "WeightsNotFound" in unavailable.json()["error"]["message"]
    assert unauthorised.headers["www-authenticate"] == "Bearer"
    assert wrong_method.headers["allow"] == "POST"


async def test_compressed_bodies_are_refused() -> None:
    async with running_router(MODELS) as router:
        answer = await router.request("POST", CHAT, content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert_envelope(answer, "unsupported_content_encoding", None)


async def test_request_ids_are_echoed_when_they_are_plain_words() -> None:
    async with running_router(MODELS) as router:
        echoed = [
            (await router.post(CHAT, chat("nobody"), headers={"x-request-id": "abc-1"})).headers["x-request-id"],
            (await router.request("GET", "/v1/models", headers={"x-request-id": "abc-2"})).headers["x-request-id"],
        ]
        replaced = await router.post(CHAT, chat("nobody"), headers={"x-request-id": "a b"})
    assert echoed == ["abc-1", "abc-2"]
    assert replaced.headers["x-request-id"].startswith("req-")
