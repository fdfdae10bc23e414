"""A model of a provider in local mode: no process, and the provider's key from the user's environment."""

from pathlib import Path

import openai
import pytest

from tests.local_mode import document, slipway_up
from tests.runtimes import free_port

pytestmark = pytest.mark.local

KEY = "sk-" + "p" * 40


def files(provider: str) -> str:
    """A provider's own model, and one that the provider serves under that model's name."""
    external = document("far", "external", provider).replace(
        "args: []", "authSecret: {name: open-ai, key: token}, upstreamModel: near"
    )
    return document("near") + external


def test_it_answers_with_the_key_from_the_environment(tmp_path: Path) -> None:
    # The provider is the same router, by its own address.
    port = free_port()
    keys = {"SLIPWAY_API_KEY": KEY, "SLIPWAY_SECRET_OPEN_AI_TOKEN": f"{KEY}\n"}
    url = f"http://127.0.0.1:{port}/v1"
    with slipway_up(tmp_path, files(url), "--port", str(port), "--eager", **keys) as up:
        up.shows("near  ready in ")
        assert f"requests go to {url}" in up.text
        answer = up.client().chat.completions.create(model="far", messages=[{"role": "user", "content": "hello"}])
        assert answer.choices[0].message.content
        assert len(up.runtimes()) == 1
        listed = up.slipway("models", "--url", url, "--key", KEY).stdout
        assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
            ["far", "ready", "external"],
            ["near", "ready", "dummy"],
        ]


def test_without_its_key_it_says_which_variable_is_missing(tmp_path: Path) -> None:
    with slipway_up(tmp_path, files("http://127.0.0.1:9/v1")) as up:
        assert "here set SLIPWAY_SECRET_OPEN_AI_TOKEN" in up.text
        with pytest.raises(openai.APIStatusError) as refused:
            up.client().chat.completions.create(model="far", messages=[{"role": "user", "content": "hello"}])
        assert refused.value.status_code == 503
