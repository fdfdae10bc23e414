"""Every kind of engine on one node behind one router: each answers its task by ``model``, and refuses the others'."""

import base64
import struct
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from tests.installation import Installation, api_key, error_of, model

pytestmark = pytest.mark.cluster

QUESTION = "What is Slipway?"
MODELS: dict[str, dict[str, Any]] = {
    "talk": {
        "engine": {"type": "vllm", "args": ["--max-model-len=512"]},
        "model": {"source": "demo://chat"},
        "adapters": [
            {"name": "talk-shout", "source": "demo://chat-lora-shout"},
            {"name": "talk-brief", "source": "demo://chat-lora-brief"},
        ],
        "resources": {"limits": {"memory": "6Gi"}},
    },
    "chat": {"engine": {"type": "llamacpp"}, "model": {"source": "demo://chat"}},
    "embed": {"engine": {"type": "onnx"}, "model": {"source": "demo://embed"}},
    "rank": {"engine": {"type": "onnx"}, "model": {"source": "demo://rerank"}, "tasks": ["rerank"]},
    "draw": {"engine": {"type": "diffusers"}, "model": {"source": "demo://images"}},
}


@pytest.fixture(scope="module")
def served(module_installation: Installation) -> Installation:
    for name, spec in MODELS.items():
        module_installation.apply(model(name, **spec))
    module_installation.apply(api_key())
    # vLLM alone needs about a minute on two cores.
    module_installation.wait_ready(*(f"mdep/{name}" for name in MODELS), seconds=280)
    return module_installation


@pytest.fixture(scope="module")
def client(served: Installation) -> openai.OpenAI:
    client = served.client(served.key())
    for name in MODELS:
        served.wait_routable(client, name)
    return client


def chat(client: openai.OpenAI, name: str) -> str:
    answer = client.chat.completions.create(
        model=name, messages=[{"role": "user", "content": QUESTION}], max_tokens=40, temperature=0
    )
    return answer.choices[0].message.content or ""


@pytest.mark.parametrize("name", ["talk", "chat"])
def test_chat_answers(client: openai.OpenAI, name: str) -> None:
    assert "model" in chat(client, name).lower()


def test_each_adapter_is_a_model_of_its_own(client: openai.OpenAI) -> None:
    answers = {name: chat(client, name) for name in ("talk", "talk-shout", "talk-brief")}
    assert len(set(answers.values())) == 3, answers
    assert set(answers) <= {listed.id for listed in client.models.list()}


def test_embeddings_answer(client: openai.OpenAI) -> None:
    assert len(client.embeddings.create(model="embed", input=QUESTION).data[0].embedding) == 384


def test_rerank_answers(client: openai.OpenAI, served: Installation) -> None:
    answer = httpx2.post(
        f"{served.router_url}/v1/rerank",
        headers={"Authorization": f"Bearer {client.api_key}"},
        json={"model": "rank", "query": "red apples", "documents": ["blue boats", "red apples fall", "green hills"]},
    )
    results = answer.raise_for_status().json()["results"]
    assert results[0]["index"] == 1, results


def draw(client: openai.OpenAI, name: str) -> bytes:
    answer = client.images.generate(model=name, prompt="a red circle", size="64x64", response_format="b64_json")
    assert answer.data, answer
    assert answer.data[0].b64_json, answer
    return base64.b64decode(answer.data[0].b64_json)


def test_an_image_is_drawn_in_the_size_asked_for(client: openai.OpenAI) -> None:
    assert struct.unpack(">II", draw(client, "draw")[16:24]) == (64, 64)


@pytest.mark.parametrize(
    ("name", "ask"), [("talk", draw), ("chat", draw), ("embed", chat), ("rank", chat), ("draw", chat)]
)
def test_another_task_is_refused(client: openai.OpenAI, name: str, ask: Callable[[openai.OpenAI, str], object]) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, name)
    assert error_of(refused.value)["code"] == "unsupported_task"
