"""Engines fetch no addresses that callers name, unless their host is allowed: they would reach what pods reach."""

import json
from typing import Any

import pytest

from slipway_crds.engines import EngineType
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.errors import RequestError
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.provider import Provider
from slipway_router.domain.requests.pictures import CheckPictures
from tests.fakes.upstream import upstream
from tests.routers import chat, model, running_router

DATA = "data:image/png;base64," + "A" * 1000
REMOTE = "http://169.254.169.254/latest"
CHAT, RESPONSES, MESSAGES, RERANK = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/rerank"


def user(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": url}


def checked(path: str, body: Any, *hosts: str, provider: Provider | None = None) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange = Exchange(BY_PATH[path.encode()], {}, "", "r", 0.0, content)
    exchange.model = model("m", 1, provider=provider)
    CheckPictures(hosts)(exchange)


REFUSED = [
    (CHAT, user({"type": "text", "text": "What is it?"}, image({"url": REMOTE}))),
    (CHAT, user(image({"url": DATA}), image({"url": REMOTE}))),
    (CHAT, user(image(REMOTE))),
    (CHAT, user(image({"url": "file:///etc/passwd"}))),
    (CHAT, user(image({"url": " " + REMOTE}))),
    (CHAT, user({"type": "video_url", "video_url": {"url": REMOTE}})),
    (CHAT, user({"type": "audio_url", "audio_url": {"url": REMOTE}})),
    (CHAT, {"messages": ["not a message", *user(image({"url": REMOTE}))["messages"]]}),
    (CHAT, json.dumps(user(image({"url": REMOTE}))).replace("url", "\\u0075rl").encode()),
    (CHAT, json.dumps(user(image({"url": REMOTE}))).replace("http:", "\\u0068ttp:").encode()),
    (CHAT, b'{"messages":[{"content":[{"image_url":{"url":"data:x", "url" : "http://a/"}}]}]}'),
    (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": REMOTE}]}]}),
    (RESPONSES, {"input": [{"type": "function_call_output", "output": [{"image_url": REMOTE}]}]}),
    (RESPONSES, {"input": [{"type": "computer_call_output", "output": {"image_url": REMOTE}}]}),
    (MESSAGES, user({"type": "image", "source": {"type": "url", "url": REMOTE}})),
    (MESSAGES, user({"type": "tool_result", "content": [{"type": "image", "source": {"url": REMOTE}}]})),
    (RERANK, {"query": "x", "documents": {"content": [image({"url": REMOTE})]}}),
]


@pytest.mark.parametrize(("path", "body"), REFUSED)
def test_refused(path: str, body: Any) -> None:
    with pytest.raises(RequestError, match="SLIPWAY_IMAGE_URL_HOSTS"):
        checked(path, body, "allowed.example")


PASSED = [
    (CHAT, user(image({"url": DATA}))),
    (CHAT, user(image({"url": DATA.replace("data", "DATA")}))),
    (CHAT, user(image(DATA))),
    (CHAT, user(image({"url": "https://allowed.example/cat.png?x=1"}))),
    (CHAT, user(image({"url": "http://ALLOWED.example:8080"}))),
    (CHAT, user({"type": "text", "text": f'Say "url" and {REMOTE}'})),
    (CHAT, {"messages": [{"role": "user", "content": f'"image_url": "{REMOTE}"'}]}),
    (CHAT, user(image(None)) | {"tools": [{"function": {"parameters": {"properties": {"image_url": {}}}}}]}),
    (RESPONSES, {"input": f'"url" {REMOTE}'}),
    (MESSAGES, user({"type": "image", "source": {"type": "base64", "data": "QQ==", "source": "url"}})),
    (RERANK, {"query": f'"url" {REMOTE}', "documents": [REMOTE, '"url"'], "source": REMOTE}),
]


@pytest.mark.parametrize(("path", "body"), PASSED)
def test_passed(path: str, body: Any) -> None:
    checked(path, body, "allowed.example")


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/",
        "http://allowed.example.evil.example/",
        "http://allowed.example@evil.example/",
        "http://evil.example\\@allowed.example/",
        "http://evil.example#@allowed.example/",
        "http://allowed.example\n.evil.example/",
        "ftp://allowed.example/",
        "//allowed.example/",
        "http://[::1]/",
        "",
    ],
)
def test_hosts_are_read_strictly(address: str) -> None:
    with pytest.raises(RequestError):
        checked(CHAT, user(image({"url": address})), "allowed.example")


@pytest.mark.parametrize("host", ["*", "*.example", "a.*.example"])
def test_hosts_are_globs(host: str) -> None:
    checked(CHAT, user(image({"url": "https://a.b.example/x"})), host)


def test_a_provider_fetches_from_its_own_network() -> None:
    checked(CHAT, user(image({"url": REMOTE})), provider=Provider.at("https://api.example.com/v1"))


@pytest.mark.parametrize(
    ("path", "body"),
    [(CHAT, b'{"messages":[{"content":"\xff"}],"x":"_url"}'), (RERANK, b'{"x":"\xff", "y":"_url"}')],
)
def test_what_is_not_utf_8_is_refused(path: str, body: bytes) -> None:
    with pytest.raises(RequestError, match="not valid JSON"):
        checked(path, body)


@pytest.mark.local
async def test_through_the_router() -> None:
    async with upstream() as engine:
        models = [model("chat-a", engine.port), model("elsewhere", engine.port, engine=EngineType.LLAMACPP)]
        async with running_router(models, image_hosts=("allowed.example",)) as router:
            answers = [
                await router.post(CHAT, chat(**user(image({"url": url}))))
                for url in (DATA, "https://allowed.example/x", REMOTE)
            ]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert answers[2].json()["error"]["code"] == "invalid_value"
    assert "data URL" in answers[2].json()["error"]["message"]
    assert engine.requests[0].json == chat(**user(image({"url": DATA})))
