"""External models: requests go to the provider's base URL, over TLS, in its name for the model, with its key."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slipway_crds.engines import EngineType, Task
from slipway_router.adapters.engines.provider_tls import provider_tls
from slipway_router.domain.models.catalogue import Endpoint, Model
from slipway_router.domain.models.provider import Provider
from tests.cluster import pki
from tests.fakes.upstream import Received, Reply, Script, Upstream, openai_like, upstream
from tests.routers import CHAT_KEY, KEY, RouterUnderTest, chat, model, running_router
from tests.runtimes import runtime

pytestmark = pytest.mark.local
CHAT = "/v1/chat/completions"
SECRET = "sk-provider-1"
LEAVES = (pki.Leaf("provider", "provider", hosts=("localhost",)), pki.Leaf("other", "other", hosts=("other.example",)))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.ensure(folder, LEAVES)
    return folder


def external(url: str, name: str = "chat-a", **provider: Any) -> Model:
    there = Provider.at(url, **provider)
    endpoint = Endpoint(there.host, there.port, there.tls)
    tasks = frozenset({Task.CHAT, Task.TRANSCRIPTIONS})
    return model(name, engine=EngineType.EXTERNAL, tasks=tasks, provider=there, endpoints=(endpoint,))


@dataclass
class Keys:
    """The keys of providers, as a test sets them."""

    known: dict[str, str]

    def __call__(self, name: str) -> str | None:
        return self.known.get(name)


@asynccontextmanager
async def through_tls(
    certificates: Path, script: Script = openai_like, leaf: str = "provider", **provider: Any
) -> AsyncIterator[tuple[Upstream, RouterUnderTest, Keys]]:
    """A provider behind TLS on loopback, and a router that trusts the authority of its certificate."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates / f"{leaf}.crt", certificates / f"{leaf}.key")
    trusted, keys = provider_tls(str(certificates / "ca.crt")), Keys({"default.chat-a": SECRET})
    async with upstream(script, server) as there:
        served = external(f"https://localhost:{there.port}/v1", key_name="default.chat-a", **provider)
        async with running_router([served], provider_keys=keys, provider_tls=trusted) as router:
            yield there, router, keys


async def test_chat(certificates: Path) -> None:
    async with through_tls(certificates, model="big-1") as (there, router, _):
        answer = await router.openai().chat.completions.create(**chat())
        stream = await router.openai().chat.completions.create(**chat(stream=True))
        texts = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    assert answer.choices[0].message.content == "Hello there"
    assert texts == ["Hello", " there"]
    first = there.requests[0]
    assert first.line == "POST /v1/chat/completions HTTP/1.1"
    assert first.headers["host"] == f"localhost:{there.port}"
    assert first.headers["authorization"] == f"Bearer {SECRET}"
    assert first.json == chat("big-1")
    assert KEY not in str(first.headers)
    assert there.connections == 1


async def test_large_bodies_arrive_whole(certificates: Path) -> None:
    picture = "data:image/png;base64," + "QUJD" * 1_000_000
    content = [{"type": "image_url", "image_url": {"url": picture}}]
    asked = chat(messages=[{"role": "user", "content": content}])
    async with through_tls(certificates, model="big-1") as (there, router, _):
        answer = await router.post(CHAT, asked)
    assert answer.status_code == 200, answer.text
    assert there.requests[0].json == asked | {"model": "big-1"}


async def test_messages_take_the_key_as_anthropic_does(certificates: Path) -> None:
    async def answers(received: Received, reply: Reply) -> None:
        await reply.json({"type": "message"})

    async with through_tls(certificates, answers) as (there, router, _):
        await router.post("/v1/messages", chat())
        await router.post("/v1/messages", chat(), headers={"anthropic-version": "2024-01-01"})
    assert [request.headers["anthropic-version"] for request in there.requests] == ["2023-06-01", "2024-01-01"]
    assert {request.headers["x-api-key"] for request in there.requests} == {SECRET}
    assert not [request for request in there.requests if "authorization" in request.headers]


async def test_forms_name_the_providers_model(certificates: Path) -> None:
    async def transcribes(received: Received, reply: Reply) -> None:
        await reply.json({"text": "hello"})

    async with through_tls(certificates, transcribes, model="ears-1") as (there, router, _):
        answer = await router.openai().audio.transcriptions.create(model="chat-a", file=("a.wav", b"RIFF"))
    assert answer.text == "hello"
    assert b'name="model"\r\n\r\nears-1\r\n' in there.requests[0].body
    assert b"RIFF" in there.requests[0].body


async def test_without_a_key_nothing_is_sent(certificates: Path) -> None:
    async with through_tls(certificates) as (there, router, keys):
        keys.known.clear()
        missing = await router.post(CHAT, chat())
        keys.known["default.chat-a"] = "sk-provider-2"
        found = await router.post(CHAT, chat())
    assert missing.status_code == 503
    assert missing.json()["error"]["code"] == "model_unavailable"
    assert "SecretNotFound" in missing.json()["error"]["message"]
    assert found.status_code == 200
    assert [request.headers["authorization"] for request in there.requests] == ["Bearer sk-provider-2"]


async def test_an_optional_key_may_be_missing(certificates: Path) -> None:
    async with through_tls(certificates, key_optional=True) as (there, router, keys):
        keys.known.clear()
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 200
    assert "authorization" not in there.requests[0].headers


@pytest.mark.parametrize("leaf", ["provider", "other"])
async def test_only_trusted_certificates_of_the_right_name_are_talked_to(certificates: Path, leaf: str) -> None:
    async with through_tls(certificates, leaf=leaf) as (there, router, _):
        port = there.port
        if leaf == "provider":
            untrusting = running_router(
                [external(f"https://localhost:{port}/v1", name="chat-a")], provider_tls=provider_tls()
            )
            async with untrusting as other:
                answer = await other.post(CHAT, chat())
        else:
            answer = await router.post(CHAT, chat())
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_unreachable")
    assert not there.requests


async def test_a_providers_refusal_of_the_key_stays_inside(certificates: Path) -> None:
    async def refuses(received: Received, reply: Reply) -> None:
        await reply.json({"error": {"message": f"bad key {SECRET}"}}, "401 Unauthorized")

    async with through_tls(certificates, refuses) as (_, router, _):
        answer = await router.post(CHAT, chat())
    assert answer.status_code == 502
    assert SECRET not in answer.text
    assert SECRET.encode() not in router.log.getvalue()


async def test_allow_lists_and_the_catalogue_count_as_for_all_models(certificates: Path) -> None:
    async with through_tls(certificates) as (there, router, _):
        router.change("chat-a", served_names=("other",))
        refused = await router.post(CHAT, chat("other"), CHAT_KEY)
        (listed,) = (await router.request("GET", "/v1/models")).json()["data"]
    assert refused.status_code == 403
    assert (listed["state"], listed["engine"]) == ("ready", "external")
    assert not there.requests


def test_a_real_runtime_as_provider(tmp_path: Path) -> None:
    """Plain HTTP inside a network is a provider too."""

    async def ask(port: int) -> tuple[str | None, str]:
        async with running_router([external(f"http://127.0.0.1:{port}/v1", model="m")]) as router:
            answer = await router.openai().chat.completions.create(**chat(max_tokens=3))
        return answer.choices[0].message.content, answer.model

    with runtime(tmp_path) as process:
        process.wait_for_phase("ready")
        assert asyncio.run(ask(process.env.data_port)) == ("tok0 tok1 tok2", "m")
