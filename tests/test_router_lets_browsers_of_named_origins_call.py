"""Browsers of named origins may call and read every answer, refusals too; those of others may not."""

from typing import Any

import httpx
import pytest

from slipway_router.app.options import CorsOptions, Features
from tests.fakes.upstream import upstream
from tests.routers import KEY, RouterUnderTest, chat, model, running_router

pytestmark = pytest.mark.local
HOME, EVIL = "https://chat.example.com", "https://evil.example"
CHAT = "/v1/chat/completions"


async def send(router: RouterUnderTest, method: str, path: str, origin: str | None, **options: Any) -> httpx.Response:
    """A request as a browser sends it."""
    headers = options.pop("headers", {}) | ({"origin": origin} if origin else {})
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        return await client.request(method, router.url + path, headers=headers, **options)


async def preflight(router: RouterUnderTest, path: str, origin: str = HOME) -> httpx.Response:
    """What a browser asks before it posts JSON with a key."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    return await send(router, "OPTIONS", path, origin, headers=asked)


def cors(*origins: str, **options: Any) -> Features:
    return Features(cors=CorsOptions(origins=origins, **options))


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/tei/chat-a/embed", "/v1/unknown"])
async def test_a_preflight_allows_what_is_asked_for(path: str) -> None:
    async with running_router(features=cors(HOME, max_age=60)) as router:
        answer = await preflight(router, path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == HOME
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert (answer.headers["access-control-max-age"], answer.headers["vary"]) == ("60", "origin")
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
async def test_a_preflight_of_another_origin_is_refused(path: str) -> None:
    async with running_router(features=cors(HOME)) as router:
        answer = await preflight(router, path, EVIL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    ("method", "path", "key", "content", "status"),
    [
        ("POST", CHAT, KEY, chat(), 200),
        ("POST", CHAT, KEY, chat(stream=True), 200),
        ("POST", CHAT, "wrong", chat(), 401),
        ("POST", CHAT, KEY, chat("unknown"), 404),
        ("POST", CHAT, KEY, {}, 400),
        ("GET", CHAT, KEY, None, 405),
        ("GET", "/v1/models", KEY, None, 200),
        ("GET", "/v1/models", "wrong", None, 401),
        ("GET", "/unknown", KEY, None, 404),
    ],
)
async def test_every_answer_can_be_read(method: str, path: str, key: str, content: Any, status: int) -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=cors(HOME)) as router:
        headers = {"authorization": f"Bearer {key}"}
        home = await send(router, method, path, HOME, headers=headers, json=content)
        evil = await send(router, method, path, EVIL, headers=headers, json=content)
        nobody = await send(router, method, path, None, headers=headers, json=content)
    assert (home.status_code, evil.status_code, nobody.status_code) == (status, status, status)
    assert home.headers["access-control-allow-origin"] == HOME
    exposed = home.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "retry-after", "x-slipway-cache", "x-ratelimit-remaining-tokens"} <= set(exposed)
    for answer in (evil, nobody):
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "origin"


async def test_any_origin_may_be_allowed() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)], features=cors("*")) as router:
        asked = await preflight(router, CHAT, EVIL)
        answer = await send(router, "POST", CHAT, EVIL, headers={"authorization": f"Bearer {KEY}"}, json=chat())
    assert (asked.status_code, answer.status_code) == (204, 200)
    assert asked.headers["access-control-allow-origin"] == answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/stream"])
async def test_an_answer_that_the_router_asked_an_engine_for_names_its_origins_once(path: str) -> None:
    content = {"model": "chat-a", "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"authorization": f"Bearer {KEY}"}
    for features, allowed, vary in ((cors("*"), "*", []), (cors(HOME), HOME, ["origin"])):
        async with upstream() as engine, running_router([model("chat-a", engine.port)], features=features) as router:
            answer = await send(router, "POST", path, HOME, headers=headers, json=content)
        assert answer.status_code == 200
        assert answer.headers.get_list("access-control-allow-origin") == [allowed]
        assert answer.headers.get_list("vary") == vary


async def test_credentials_are_allowed_where_that_is_switched_on() -> None:
    async with running_router(features=cors(HOME, credentials=True)) as router:
        assert (await preflight(router, CHAT)).headers["access-control-allow-credentials"] == "true"


async def test_nothing_is_said_to_browsers_unless_that_is_switched_on() -> None:
    async with upstream() as engine, running_router([model("chat-a", engine.port)]) as router:
        asked = await preflight(router, CHAT)
        answer = await send(router, "POST", CHAT, HOME, headers={"authorization": f"Bearer {KEY}"}, json=chat())
    assert (asked.status_code, answer.status_code) == (405, 200)
    assert not [
        name for name in (*asked.headers, *answer.headers) if name.startswith("access-control") or name == "vary"
    ]


async def test_what_is_asked_for_is_not_repeated_blindly() -> None:
    async with running_router(features=cors(HOME)) as router:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "a\x80b"}
        answer = await send(router, "OPTIONS", CHAT, HOME, headers={k: v.encode("latin-1") for k, v in asked.items()})
    assert "access-control-allow-headers" not in answer.headers
