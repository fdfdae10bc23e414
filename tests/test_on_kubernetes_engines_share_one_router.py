"""Every kind of engine on one node behind one router: each answers its task by ``model``, and refuses the others'."""

import base64
import struct
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from tests.cluster import release
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import Paths
from tests.cluster.progress import Progress
from tests.installation import Installation, api_key, error_of, model

pytestmark = pytest.mark.cluster

QUESTION = "What is Slipway?"
MODELS: dict[str, dict[str, Any]] = {
    "chat": {"engine": {"type": "llamacpp"}, "model": {"source": "demo://chat"}},
    "embed": {"engine": {"type": "onnx"}, "model": {"source": "demo://embed"}},
    "rank": {"engine": {"type": "onnx"}, "model": {"source": "demo://rerank"}, "tasks": ["rerank"]},
}


@pytest.fixture(scope="module")
def served(slipway: Cluster, cluster_paths: Paths, module_installation: Installation) -> Installation:
    (image,) = release.load_images(slipway.provider, cluster_paths, ["runtime-diffusers"], Progress())
    draw = {"engine": {"type": "diffusers", "image": image.reference}, "model": {"source": "demo://images"}}
    models = {**MODELS, "draw": draw}
    for name, spec in models.items():
        module_installation.apply(model(name, **spec))
    module_installation.apply(api_key())
    module_installation.wait_ready(*(f"mdep/{name}" for name in models))
    return module_installation


@pytest.fixture(scope="module")
def client(served: Installation, vllm_installation: Installation) -> openai.OpenAI:
    """With one key, for the models of both namespaces."""
    client = served.client(served.key())
    for name in ("vllm", "draw", *MODELS):
        vllm_installation.wait_routable(client, name)
    return client


def chat(client: openai.OpenAI, name: str) -> str:
    answer = client.chat.completions.create(
        model=name, messages=[{"role": "user", "content": QUESTION}], max_tokens=40, temperature=0
    )
    return answer.choices[0].message.content or ""


@pytest.mark.parametrize("name", ["vllm", "chat"])
def test_chat_answers(client: openai.OpenAI, name: str) -> None:
    assert "model" in chat(client, name).lower()


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
    ("name", "ask"), [("vllm", draw), ("chat", draw), ("embed", chat), ("rank", chat), ("draw", chat)]
)
def test_another_task_is_refused(client: openai.OpenAI, name: str, ask: Callable[[openai.OpenAI, str], object]) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        ask(client, name)
    assert error_of(refused.value)["code"] == "unsupported_task"
