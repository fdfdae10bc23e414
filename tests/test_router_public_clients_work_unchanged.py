"""Unchanged client libraries of OpenAI, Anthropic, LangChain and LiteLLM on real engines through the router."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients_environment import told_by
from tests.local_mode import SlipwayUp, api_key, document, slipway_up

pytestmark = pytest.mark.local

DIMENSIONS = 384


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    models = document("chat", "llamacpp", "demo://chat") + document("embed", "onnx", "demo://embed")
    with slipway_up(tmp_path_factory.mktemp("clients"), models + api_key("demo"), "--eager") as up:
        yield up


def asked(router: SlipwayUp, program: str) -> dict[str, Any]:
    told = told_by(program, router.base_url.removesuffix("/v1"), router.keys["demo"])
    assert told["text"], told
    assert told["streamed"] == told["text"]
    assert told["streamed_tokens"] == told["tokens"]
    return told


def test_openai(router: SlipwayUp) -> None:
    told = asked(router, "openai_calls")
    assert told["later"] == told["text"]
    assert told["usage_unasked"] == 0
    assert told["completion"]
    assert (told["dimensions"], told["models"]) == (DIMENSIONS, ["chat", "embed"])
    assert told["errors"] == [
        ["NotFoundError", "model_not_found", "model", True],
        ["BadRequestError", "invalid_value", "temperature", True],
        ["NotFoundError", "unsupported_task", "model", True],
    ]


def test_anthropic(router: SlipwayUp) -> None:
    assert asked(router, "anthropic_messages")["error"] == "not_found_error"


def test_langchain(router: SlipwayUp) -> None:
    told = asked(router, "langchain_openai_models")
    assert told["batch"][0] == told["text"]
    assert told["batch"][1]
    assert (told["dimensions"], told["error"]) == ([DIMENSIONS, DIMENSIONS], "model_not_found")


def test_litellm(router: SlipwayUp) -> None:
    told = asked(router, "litellm_calls")
    assert told["later"] == told["text"]
    assert (told["dimensions"], told["errors"]) == ([DIMENSIONS] * 2, ["NotFoundError", "AuthenticationError"])
