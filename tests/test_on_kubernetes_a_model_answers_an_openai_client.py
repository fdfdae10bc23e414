"""The main job: kubectl apply → pods that request GPUs → the OpenAI client gets its answers through the router."""

import json
import math
from pathlib import Path

import openai
import pytest

from tests.eventually import eventually
from tests.installation import Installation, api_key

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def served(module_installation: Installation) -> Installation:
    for example in ("gpu-chat.yaml", "gpu-embed.yaml"):
        module_installation.apply((ROOT / "examples" / example).read_text())
    module_installation.apply(api_key())
    module_installation.wait_ready("mdep/gpu-chat", "mdep/gpu-embed")
    return module_installation


@pytest.fixture(scope="module")
def client(served: Installation) -> openai.OpenAI:
    client = served.client(served.key())
    served.wait_routable(client, "gpu-chat")
    served.wait_routable(client, "gpu-embed")
    return client


def test_each_pod_got_the_gpu_it_asked_for(served: Installation) -> None:
    pods = served.get("pods", "-l", "slipway.dev/model")["items"]
    gpus = {
        pod["metadata"]["labels"]["slipway.dev/model"]: pod["spec"]["containers"][0]["resources"]["limits"][
            "nvidia.com/gpu"
        ]
        for pod in pods
    }
    assert gpus == {"gpu-chat": "1", "gpu-embed": "1"}


def test_chat_answers(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="gpu-chat", messages=[{"role": "user", "content": "What is Slipway?"}], max_tokens=60
    )
    assert "model" in (answer.choices[0].message.content or "").lower()
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_chat_streams(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="gpu-chat", messages=[{"role": "user", "content": "What is Slipway?"}], max_tokens=60, stream=True
    )
    chunks = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    assert len(chunks) > 3
    assert "model" in "".join(chunks).lower()


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def test_embeddings_agree_with_the_reference_model(client: openai.OpenAI) -> None:
    sentences = json.loads((ROOT / "tests/data/minilm_reference.json").read_text())
    # The API refuses an empty input and one that is longer than the model reads.
    reference = [item for item in sentences if 0 < len(item["text"]) < 200]
    vectors = client.embeddings.create(model="gpu-embed", input=[item["text"] for item in reference]).data
    cosines = [cosine(got.embedding, item["vector"]) for got, item in zip(vectors, reference, strict=True)]
    assert min(cosines) > 0.999


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert {"gpu-chat", "gpu-embed"} <= {model.id for model in client.models.list()}


def test_kubectl_get_shows_the_models(served: Installation) -> None:
    def table() -> list[list[str]]:
        shown = served.kubectl("get", "mdep", "-n", served.namespace)
        return [line.split()[:5] for line in shown.splitlines()]

    # The GPUs of the test cluster are there on paper only, and the models say so.
    expected = [
        ["NAME", "MODEL", "ENGINE", "READY", "REASON"],
        ["gpu-chat", "demo://chat", "llamacpp", "1/1", "CpuFallback"],
        ["gpu-embed", "demo://embed", "onnx", "1/1", "CpuFallback"],
    ]
    eventually("both models with their reason", table, lambda seen: seen == expected, within=15)
    assert {item["status"]["device"] for item in served.get("mdep")["items"]} == {"cpu"}
