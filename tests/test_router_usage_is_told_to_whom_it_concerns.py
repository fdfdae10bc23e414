"""Admins see what everybody used, others what their own key did; as JSON or CSV."""

import csv
import io
from typing import Any

import pytest

from slipway_crds.keys import hash_key
from slipway_router.domain.callers.keys import Caller, Key, KeyRing
from tests.fakes.upstream import upstream
from tests.routers import CHAT_KEY, EXPIRED_KEY, KEY, RING, RouterUnderTest, chat, model, running_router

pytestmark = pytest.mark.local
ADMIN_KEY = "sk-slipway-admin"
CHAT = "/v1/chat/completions"


async def use(router: RouterUnderTest) -> None:
    """Two requests of one key, one of another, one that is refused."""
    admin = (hash_key(ADMIN_KEY), Key(Caller("default/admin", owner="=cmd()", admin=True)))
    router.keys.replace(KeyRing.of([*RING.keys.items(), admin]))
    await router.post(CHAT, chat(), key=KEY)
    await router.post(CHAT, chat(stream=True), key=KEY)
    await router.post(CHAT, chat(), key=ADMIN_KEY)
    await router.post("/v1/embeddings", {"model": "other", "input": "a"}, key=CHAT_KEY)
    await router.post(CHAT, chat("no-such"), key=KEY)


async def test_json_and_csv() -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port), model("other", engine.port)]) as router,
    ):
        await use(router)
        by_key = (await router.request("GET", "/admin/usage", ADMIN_KEY)).json()
        one = (await router.request("GET", "/admin/usage?model=other&group_by=owner,name", ADMIN_KEY)).json()
        table = await router.request("GET", "/admin/usage?group_by=owner", ADMIN_KEY, headers={"accept": "text/csv"})
        page = await router.request("GET", "/admin/usage?format=csv&limit=1", ADMIN_KEY)
    lines = {(line["key"], line["model"]): line for line in by_key["data"]}
    assert set(lines) == {
        ("default/all", "default/chat-a"),
        ("default/admin", "default/chat-a"),
        ("default/chat", "default/other"),
    }
    mine = lines["default/all", "default/chat-a"]
    assert (mine["requests"], mine["prompt_tokens"], mine["completion_tokens"]) == (2, 14, 6)
    assert lines["default/chat", "default/other"]["errors"] == 1
    assert by_key["totals"]["prompt_tokens"] == 21
    assert [(line["name"], line["requests"]) for line in one["data"]] == [("other", 1)]
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment; filename=" in table.headers["content-disposition"]
    assert [row["owner"] for row in csv.DictReader(io.StringIO(table.text, newline=""))] == ["", "'=cmd()"]
    assert page.headers["x-next-page"] == "1"


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        ("/admin/usage", KEY, 403, "admin_required"),
        ("/admin/usage", None, 401, "invalid_api_key"),
        ("/v1/usage", EXPIRED_KEY, 401, "expired_api_key"),
        ("/v1/usage?key=default/chat", KEY, 400, "invalid_value"),
        ("/admin/usage?from=x", ADMIN_KEY, 400, "invalid_value"),
    ],
)
async def test_refusals(path: str, key: str | None, status: int, code: str) -> None:
    async with running_router() as router:
        router.keys.replace(KeyRing.of([*RING.keys.items(), (hash_key(ADMIN_KEY), Key(Caller("a", admin=True)))]))
        answer = await router.request("GET", path, key)
    error: dict[str, Any] = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)


async def test_every_key_sees_its_own_use() -> None:
    async with (
        upstream() as engine,
        running_router([model("chat-a", engine.port), model("other", engine.port)]) as router,
    ):
        await use(router)
        seen = (await router.request("GET", "/v1/usage?group_by=key,operation", CHAT_KEY)).json()
    assert [(line["key"], line["operation"]) for line in seen["data"]] == [("default/chat", "/v1/embeddings")]
