"""In local mode, an admin key starts and stops models; nobody else's request is disturbed by it."""

from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.eventually import eventually
from tests.local_mode import SlipwayUp, document, slipway_up

pytestmark = pytest.mark.local

ADMIN = (
    "---\napiVersion: slipway.dev/v1alpha1\nkind: APIKey\n"
    "metadata: {name: boss}\nspec: {owner: tests, models: ['*'], admin: true}\n"
)
SLOW = '["--tokens-per-second=20", "--answer-tokens=60"]'


def call(up: SlipwayUp, method: str, path: str, content: Any = None) -> httpx2.Response:
    url = up.base_url.removesuffix("/v1") + path
    headers = {"authorization": f"Bearer {up.keys['boss']}"}
    return httpx2.request(method, url, headers=headers, json=content, timeout=10)


def states(up: SlipwayUp) -> dict[str, str]:
    return {each["name"]: each["state"] for each in call(up, "GET", "/admin/models").json()["models"]}


def stream(client: openai.OpenAI, name: str) -> openai.Stream[Any]:
    answer = client.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}], stream=True)
    next(answer)
    return answer


def test_models_come_and_go_at_an_admins_word(tmp_path: Path) -> None:
    text = document("one", args=SLOW) + document("two", args=SLOW) + ADMIN
    with slipway_up(tmp_path, text) as up:
        assert states(up) == {"one": "asleep", "two": "asleep"}
        assert call(up, "POST", "/admin/models/load", {"model": "one"}).status_code == 202
        eventually("the model is loaded", lambda: states(up)["one"], "ready".__eq__, within=30)

        client = up.client(up.keys["boss"])
        running, other = stream(client, "one"), stream(client, "two")
        assert call(up, "POST", "/admin/models/unload", {"model": "one"}).status_code == 202
        assert len([chunk for chunk in running if chunk.choices]) >= 59
        assert len([chunk for chunk in other if chunk.choices]) >= 59
        eventually("the model is gone", lambda: states(up), {"one": "asleep", "two": "ready"}.__eq__, within=30)

        assert len([chunk for chunk in stream(client, "one") if chunk.choices]) >= 59
        assert states(up) == {"one": "ready", "two": "ready"}
