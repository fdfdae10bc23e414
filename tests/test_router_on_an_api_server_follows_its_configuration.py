"""A router process with a configuration file, from TLS to the stream of a key that is deleted."""

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cluster import pki
from tests.cluster.apiserver import ApiServer
from tests.cluster.namespaces import emptied_namespace
from tests.eventually import eventually
from tests.router_process import RouterProcess, RouterRights, World
from tests.routers import chat
from tests.runtimes import runtime

pytestmark = pytest.mark.apiserver

CONFIGURATION = """\
watch_namespaces = ["{namespace}"]

[tls]
cert_file = "{folder}/router.crt"
key_file = "{folder}/router.key"

[anonymous]
enabled = true
models = ["open-*"]
requests_per_minute = 2

[cors]
origins = ["https://chat.example.com"]
"""


@pytest.fixture(scope="module")
def world(custom_resources: ApiServer) -> Iterator[World]:
    """A namespace for this file."""
    with emptied_namespace(custom_resources.kubectl) as name:
        yield World(custom_resources.kubectl, name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has the router's certificate, and that of its issuer."""
    folder = tmp_path_factory.mktemp("router")
    pki.ensure(folder, [pki.Leaf("router", "router", hosts=("localhost",))])
    return folder


@pytest.fixture(scope="module")
def router(router_rights: RouterRights, world: World, folder: Path) -> Iterator[RouterProcess]:
    """A router with that file, in front of a model under two names."""
    file = folder / "router.toml"
    file.write_text(CONFIGURATION.format(namespace=world.namespace, folder=folder))
    world.key("one", f"sk-{world.namespace}")
    with runtime(folder) as provider, router_rights.running(folder, SLIPWAY_CONFIG=str(file)) as router:
        provider.wait_for_phase("ready")
        for name in ("open-model", "closed-model"):
            engine = {"type": "external", "upstreamModel": "m"}
            world.model(name, model={"source": f"{provider.data_url}/v1"}, engine=engine)
        yield router


@pytest.fixture(scope="module")
def client(router: RouterProcess, world: World, folder: Path) -> Iterator[httpx2.Client]:
    """Trusts the router's certificate; both models are known."""
    trusted = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    with httpx2.Client(base_url=f"https://localhost:{router.port}", verify=trusted, timeout=10) as client:
        eventually(
            "both models are known",
            lambda: client.get("/v1/models", headers=key_of(world)).json()["data"],
            lambda models: len(models) == 2,
            within=20,
        )
        yield client


def key_of(world: World) -> dict[str, str]:
    return {"authorization": f"Bearer sk-{world.namespace}"}


def test_tls_and_callers_without_a_key(client: httpx2.Client) -> None:
    def ask(name: str) -> httpx2.Response:
        headers = {"origin": "https://chat.example.com"}
        return client.post("/v1/chat/completions", json=chat(name, max_tokens=2), headers=headers)

    answers = [ask("closed-model"), *(ask("open-model") for _ in range(3))]
    assert [answer.status_code for answer in answers] == [403, 200, 200, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"https://chat.example.com"}


def test_a_key_that_is_deleted_ends_its_stream(client: httpx2.Client, world: World) -> None:
    slowly: dict[str, Any] = {"stream": True, "max_tokens": 1000, "dummy": {"tokens_per_second": 5}}
    body = chat("closed-model", **slowly)
    with client.stream("POST", "/v1/chat/completions", json=body, headers=key_of(world)) as answer:
        assert answer.status_code == 200, answer.read()
        lines = (line for line in answer.iter_lines() if line)
        assert "choices" in next(lines)
        world.delete("apikey", "one")
        deleted = time.monotonic()
        last = list(lines)[-1]
    assert time.monotonic() - deleted < 2.0
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "key_revoked"
