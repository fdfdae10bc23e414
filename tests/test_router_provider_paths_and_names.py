"""Where requests for external models go, and whose key they carry."""

from pathlib import Path
from typing import Any

import pytest

from slipway_crds.engines import Operation
from slipway_crds.model_deployment import ModelDeployment
from slipway_router.adapters.engines.provider_keys import ProviderKeyFiles
from slipway_router.domain.models.catalogue import Endpoint, Model
from slipway_router.domain.models.cluster_view import model_of
from slipway_router.domain.models.provider import Provider, key_lines
from slipway_router.domain.requests.editing import in_form

# base URL, path at the router, host, port, Host, path at the provider
PLACES = [
    ("https://api.example.com/v1", "/v1/embeddings", "api.example.com", 443, "api.example.com", "/v1/embeddings"),
    ("https://api.example.com/v1/", "/v1/embeddings", "api.example.com", 443, "api.example.com", "/v1/embeddings"),
    ("https://api.example.com", "/v1/embeddings", "api.example.com", 443, "api.example.com", "/v1/embeddings"),
    ("http://llm.team:8000/v1", "/v1/messages", "llm.team", 8000, "llm.team:8000", "/v1/messages"),
    ("http://10.0.0.1/v1", "/tokenize", "10.0.0.1", 80, "10.0.0.1", "/tokenize"),
    ("https://a.example/v1beta/openai", "/v1/responses", "a.example", 443, "a.example", "/v1beta/openai/responses"),
    ("https://a.example/team/v1", "/classify", "a.example", 443, "a.example", "/team/classify"),
    ("http://[fd00::1]:8/v1", "/v1/rerank", "fd00::1", 8, "[fd00::1]:8", "/v1/rerank"),
    ("https://user:pw@a.example/v1?x=1#y", "/v1/rerank", "a.example", 443, "a.example", "/v1/rerank"),
    ("https://a.example/v 1/é", "/v1/rerank", "a.example", 443, "a.example", "/v%201/%C3%A9/rerank"),
]


@pytest.mark.parametrize(("url", "path", "host", "port", "authority", "there"), PLACES)
def test_base_urls(url: str, path: str, host: str, port: int, authority: str, there: str) -> None:
    provider = Provider.at(url)
    assert (provider.host, provider.port, provider.authority, provider.path(path)) == (host, port, authority, there)
    assert provider.tls == url.startswith("https")


@pytest.mark.parametrize("url", ["https://", "ftp://a.example/v1", "https://a.example:x/v1", "https://[/v1"])
def test_what_is_no_base_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"base URL|[Pp]ort|IPv6"):
        Provider.at(url)


def test_keys_are_presented_as_the_api_wants_them() -> None:
    none: frozenset[bytes] = frozenset()
    assert key_lines(Operation.CHAT_COMPLETIONS, "k", none) == b"authorization: Bearer k\r\n"
    assert key_lines(Operation.MESSAGES, "k", none) == b"anthropic-version: 2023-06-01\r\nx-api-key: k\r\n"
    assert key_lines(Operation.MESSAGES, "k", frozenset({b"anthropic-version"})) == b"x-api-key: k\r\n"
    assert key_lines(Operation.CHAT_COMPLETIONS, "", none) == b""


def test_a_form_changes_at_one_place() -> None:
    assert b"".join(in_form(b"..a..", (2, 3), "long")) == b"..long.."


def external(**spec: Any) -> ModelDeployment:
    engine = {"type": "external"} | spec.pop("engine", {})
    base = {"model": {"source": "https://api.example.com/v1"}, "engine": engine}
    metadata = {"name": "gpt", "namespace": "team"}
    kind = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata}
    return ModelDeployment.model_validate(kind | {"spec": base | spec})


def test_external_models_come_from_the_resource() -> None:
    secret = {"name": "keys", "key": "gpt"}
    found: Model = model_of(external(engine={"authSecret": secret, "upstreamModel": "gpt-9"}), ())
    assert found.endpoints == (Endpoint("api.example.com", 443, tls=True),)
    assert found.state == "ready"
    assert found.provider is not None
    assert (found.provider.key_name, found.provider.key_optional, found.provider.model) == ("team.gpt", False, "gpt-9")
    optional = model_of(external(engine={"authSecret": secret | {"optional": True}}), ()).provider
    keyless = model_of(external(), ()).provider
    assert optional is not None
    assert keyless is not None
    assert (optional.key_optional, keyless.key_name) == (True, "")


def test_external_models_that_cannot_serve() -> None:
    suspended = model_of(external(lifecycle={"suspend": True}), ())
    wrong = model_of(external(model={"source": "https://a.example:99999/v1"}), ())
    assert (suspended.endpoints, wrong.endpoints, wrong.reason) == ((), (), "InvalidConfiguration")


def test_key_files_change_under_way(tmp_path: Path) -> None:
    """As a kubelet changes them: a new folder, and one link that is put in place of another."""
    keys = ProviderKeyFiles(tmp_path)
    assert keys("team.gpt") is None
    for turn, content in enumerate(("sk-1\n", "sk-2")):
        folder = tmp_path / f"..{turn}"
        folder.mkdir()
        (folder / "team.gpt").write_text(content)
        (tmp_path / "..new").symlink_to(folder.name)
        (tmp_path / "..new").rename(tmp_path / "..data")
        if turn == 0:
            (tmp_path / "team.gpt").symlink_to("..data/team.gpt")
        assert keys("team.gpt") == content.strip()
        assert keys("team.gpt") == content.strip()
    (tmp_path / "team.gpt").unlink()
    assert keys("team.gpt") is None


@pytest.mark.parametrize("content", [b"", b"two words", b"a\r\nx: y", b"\xff", b"x" * 9000])
def test_what_no_header_can_carry_is_no_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "team.gpt").write_bytes(content)
    assert ProviderKeyFiles(tmp_path)("team.gpt") is None
