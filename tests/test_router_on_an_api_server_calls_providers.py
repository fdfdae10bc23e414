"""An external model in the API server: the router process calls its provider as soon as the key's file is there."""

from pathlib import Path

import httpx2
import pytest

from tests.eventually import eventually
from tests.router_process import RouterProcess, RouterRights, World
from tests.routers import chat
from tests.runtimes import runtime

pytestmark = pytest.mark.apiserver


def ask(router: RouterProcess, key: str, name: str) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}"}
    url = f"http://127.0.0.1:{router.port}/v1/chat/completions"
    return httpx2.post(url, headers=headers, json=chat(name, max_tokens=2), timeout=10)


def test_an_external_model(router_rights: RouterRights, world: World, tmp_path: Path) -> None:
    keys, name, key = tmp_path / "keys", f"gpt-{world.namespace}", f"sk-{world.namespace}"
    keys.mkdir()
    world.key("one", key, models=[name])
    with (
        runtime(tmp_path) as provider,
        router_rights.running(tmp_path, SLIPWAY_PROVIDER_KEYS_DIR=str(keys)) as router,
    ):
        provider.wait_for_phase("ready")
        secret = {"name": "provider", "key": "token"}
        engine = {"type": "external", "upstreamModel": "m", "authSecret": secret}
        world.model(name, model={"source": f"{provider.data_url}/v1"}, engine=engine)
        eventually("the model is known", lambda: router.states(key), lambda seen: seen == {name: "ready"}, within=20)
        keyless = ask(router, key, name)
        (keys / f"{world.namespace}.{name}").write_text("sk-provider")
        answer = ask(router, key, name)
    assert keyless.status_code == 503
    assert "SecretNotFound" in keyless.json()["error"]["message"]
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "tok0 tok1"
