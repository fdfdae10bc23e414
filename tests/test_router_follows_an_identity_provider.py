"""Tokens of a real provider open models; its keys rotate without a restart, and may be away for a while."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway_router.adapters.engines.provider_tls import provider_tls
from slipway_router.adapters.jwks import MAX_DOCUMENT, Jwks
from slipway_router.app.options import Features, OidcOptions
from slipway_router.domain.callers.oidc import SigningKeys
from tests.cluster import pki
from tests.fakes.upstream import upstream
from tests.identity_providers import AUDIENCE, IdentityProvider, identity_provider, jwk, rsa_key
from tests.routers import KEY, RouterUnderTest, chat, eventually_async, model, running_router

pytestmark = pytest.mark.local


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.ensure(folder, [pki.Leaf("provider", "provider", hosts=("localhost",))])
    return folder


@asynccontextmanager
async def behind(provider: IdentityProvider, **oidc: Any) -> AsyncIterator[RouterUnderTest]:
    """A router that takes the provider's tokens."""
    options = OidcOptions(issuer=provider.issuer, audience=AUDIENCE, **oidc)
    async with (
        upstream() as engine,
        running_router(
            [model("chat-a", engine.port), model("other", engine.port)], features=Features(oidc=options)
        ) as router,
    ):
        yield router


async def ask(router: RouterUnderTest, token: str, name: str = "chat-a") -> tuple[int, str]:
    """Status and error code of a chat."""
    answer = await router.post("/v1/chat/completions", chat(name), key=token)
    return answer.status_code, "" if answer.is_success else answer.json()["error"]["code"]


async def test_a_token_opens_the_models_of_its_claims(certificates: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates / "provider.crt", certificates / "provider.key")
    async with (
        identity_provider(server) as provider,
        behind(provider, ca_file=str(certificates / "ca.crt")) as router,
    ):
        token = provider.token()
        assert await ask(router, token) == (200, "")
        assert await ask(router, token, "other") == (403, "model_not_allowed")
        assert await ask(router, KEY, "other") == (200, "")
        listed = await router.request("GET", "/v1/models", key=token)
        assert [entry["id"] for entry in listed.json()["data"]] == ["chat-a"]
    assert {line["key"] for line in router.log_lines()} == {"oidc:alice", "default/all"}
    assert token not in router.log.getvalue().decode()


async def test_keys_rotate_without_a_restart() -> None:
    async with identity_provider() as provider, behind(provider) as router:
        before = provider.token()
        assert await ask(router, before) == (200, "")
        provider.rotate("k2")
        assert await ask(router, provider.token()) == (200, "")
        assert await ask(router, before) == (401, "invalid_token")


async def test_routes_besides_inference_wait_for_a_new_key_too() -> None:
    async with identity_provider() as provider, behind(provider) as router:
        assert await ask(router, provider.token()) == (200, "")
        provider.rotate("k2")
        assert (await router.request("GET", "/v1/models", key=provider.token())).status_code == 200


async def test_rubbish_does_not_make_the_router_ask_again_and_again() -> None:
    async with identity_provider() as provider, behind(provider) as router:
        assert await ask(router, provider.token()) == (200, "")
        before = provider.fetches
        tokens = [provider.token(headers={"kid": f"no-{number}"}) for number in range(20)]
        answers = await asyncio.gather(*(ask(router, token) for token in tokens))
        assert set(answers) == {(401, "invalid_token")}
        assert provider.fetches - before == 1


async def test_known_keys_work_while_the_provider_is_away() -> None:
    async with identity_provider() as provider, behind(provider) as router:
        assert await ask(router, provider.token()) == (200, "")
        provider.status = 500
        assert await ask(router, provider.token(headers={"kid": "k9"})) == (503, "identity_unavailable")
        assert await ask(router, provider.token(sub="bob")) == (200, "")


async def test_a_caller_who_leaves_while_the_provider_is_asked_disturbs_nobody() -> None:
    async with identity_provider() as provider, behind(provider) as router:
        leaving = asyncio.create_task(ask(router, provider.token(headers={"kid": "k9"})))
        staying = asyncio.create_task(ask(router, provider.token()))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == (200, "")


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"issuer": "https://evil.example"}, 200),
        ({"jwks_uri": "http://keys.example/keys"}, 200),
        ({"jwks_uri": 7}, 200),
        ({"padding": "x" * MAX_DOCUMENT}, 200),
        ({}, 302),
    ],
    ids=["other issuer", "not encrypted", "no address", "too large", "redirect"],
)
async def test_a_discovery_document_must_be_the_issuers_own(document: dict[str, Any], status: int) -> None:
    taken: list[SigningKeys] = []
    async with identity_provider() as provider:
        provider.document, provider.status = document, status
        jwks = Jwks(provider.issuer, "", provider_tls(), taken.append)
        assert not await jwks.refresh()
    assert (taken, provider.fetches) == ([], 0)


async def test_the_address_of_the_keys_may_be_given() -> None:
    taken: list[SigningKeys] = []
    async with identity_provider() as provider:
        jwks = Jwks("https://id.example", f"{provider.issuer}/keys", provider_tls(), taken.append)
        assert await jwks.refresh()
    assert [list(keys) for keys in taken] == [["k1"]]


async def test_a_set_without_keys_changes_nothing() -> None:
    taken: list[SigningKeys] = []
    async with identity_provider() as provider:
        jwks = Jwks(provider.issuer, "", provider_tls(), taken.append, pause_seconds=0)
        assert await jwks.refresh()
        provider.published = [jwk(rsa_key(), "k2", use="enc")]
        assert not await jwks.refresh()
    assert len(taken) == 1


async def test_a_provider_that_comes_late_is_found() -> None:
    taken: list[SigningKeys] = []
    async with identity_provider() as provider:
        provider.status = 503
        jwks = Jwks(provider.issuer, "", provider_tls(), taken.append, pause_seconds=0.02)
        await jwks.start()
        try:
            provider.status = 200
            await eventually_async("the keys are there", lambda: len(taken), lambda count: count == 1)
        finally:
            await jwks.close()


@pytest.mark.parametrize("url", ["http://id.example.com", "http://10.0.0.1/keys", "ftp://localhost/x"])
def test_keys_are_not_fetched_in_the_clear(url: str) -> None:
    with pytest.raises(ValueError, match="write an https address"):
        Jwks(url, "", provider_tls(), lambda keys: None)
