"""The llama.cpp engine: a real GGUF answers the OpenAI client, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.runtimes import CHAT_MODEL, RuntimeProcess, runtime

pytestmark = pytest.mark.local
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is Slipway?"}]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeProcess]:
    folder: Path = tmp_path_factory.mktemp("llamacpp")
    with runtime(
        folder,
        engine="llamacpp",
        model_source=CHAT_MODEL,
        served_names=("chat", "chat-alias"),
        max_concurrency=2,
    ) as process:
        process.wait_for_phase("ready")
        yield process


@pytest.fixture(scope="module")
def client(process: RuntimeProcess) -> Iterator[openai.OpenAI]:
    with process.openai() as client:
        yield client


def test_chat_answers_with_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=HELLO, max_tokens=5)
    assert answer.choices[0].message.content
    assert answer.model == "chat"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 5


def test_chat_streams(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="chat", messages=HELLO, max_tokens=5, stream=True)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].choices[0].finish_reason in ("length", "stop")


def test_completions_answer(client: openai.OpenAI) -> None:
    assert client.completions.create(model="chat", prompt="Slipway", max_tokens=3).usage is not None


def test_every_served_name_is_listed(process: RuntimeProcess) -> None:
    (model,) = httpx2.get(f"{process.data_url}/v1/models").json()["data"]
    assert {"chat", "chat-alias"} == {model["id"], *model["aliases"]}


def test_other_callers_prompts_are_not_shown(process: RuntimeProcess) -> None:
    assert httpx2.get(f"{process.data_url}/slots").status_code != 200


def test_metrics_are_the_engines_and_the_runtimes(process: RuntimeProcess) -> None:
    answer = process.control("/metrics")
    assert answer is not None
    assert "llamacpp:prompt_tokens_total" in answer.text
    assert 'slipway_runtime_phase{phase="ready"} 1.0' in answer.text


def test_embeddings_come_from_a_gguf_when_it_has_that_task(tmp_path: Path) -> None:
    with runtime(tmp_path, engine="llamacpp", model_source=CHAT_MODEL, tasks=("embeddings",)) as process:
        process.wait_for_phase("ready")
        with process.openai() as client:
            data = client.embeddings.create(model="m", input=["one", "two"]).data
    assert len(data) == 2
    assert sum(x * x for x in data[0].embedding) == pytest.approx(1, abs=1e-3)
