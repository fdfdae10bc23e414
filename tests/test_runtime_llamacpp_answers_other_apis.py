"""llama.cpp answers OpenAI's responses, Anthropic's messages, and turns text into tokens and back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("llamacpp")
    with runtime(folder, engine="llamacpp", model_source=CHAT_MODEL) as process:
        process.wait_for_phase("ready")
        yield process


def post(process: RuntimeProcess, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx2.post(f"{process.data_url}{path}", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_responses(process: RuntimeProcess) -> None:
    with process.openai() as client:
        answer: openai.types.responses.Response = client.responses.create(model="m", input="hi", max_output_tokens=5)
    assert answer.output_text
    assert answer.usage is not None
    assert answer.usage.output_tokens == 5


def test_messages(process: RuntimeProcess) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    answer = post(process, "/v1/messages", body)
    assert answer["type"] == "message"
    assert answer["content"][0]["text"]
    assert answer["stop_reason"] == "max_tokens"


def test_tokens_and_back(process: RuntimeProcess) -> None:
    tokens = post(process, "/tokenize", {"content": "slipway serves models"})["tokens"]
    assert tokens
    assert post(process, "/detokenize", {"tokens": tokens})["content"] == "slipway serves models"
