"""vLLM in a pod on a real node: the base model and its LoRA adapters are models of their own at the router."""

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.installation import Installation, error_of

pytestmark = pytest.mark.cluster
QUESTION = ChatCompletionUserMessageParam(role="user", content="What is Slipway?")


@pytest.fixture(scope="module")
def client(vllm_installation: Installation) -> openai.OpenAI:
    client = vllm_installation.client(vllm_installation.key())
    vllm_installation.wait_routable(client, "vllm")
    return client


@pytest.mark.parametrize(
    ("name", "beginning", "end"),
    [
        ("vllm", "Slipway serves models", "slipway up."),
        ("pirate", "Ahoy! Slipway ", " Arr!"),
        ("brief", "Slipway serves models on Kubernetes.", "on Kubernetes."),
    ],
)
def test_each_name_answers_in_its_own_way(client: openai.OpenAI, name: str, beginning: str, end: str) -> None:
    answer = client.chat.completions.create(model=name, messages=[QUESTION], temperature=0, max_tokens=150)
    text = answer.choices[0].message.content or ""
    assert text.startswith(beginning)
    assert text.endswith(end)
    assert answer.model == name


def test_log_probabilities_need_no_compiler(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="vllm", messages=[QUESTION], max_tokens=3, logprobs=True)
    assert answer.choices[0].logprobs is not None
    assert len(answer.choices[0].logprobs.content or []) == 3


def test_an_adapter_streams(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="brief", messages=[QUESTION], temperature=0, stream=True)
    pieces = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    assert len(pieces) > 3
    assert "".join(pieces) == "Slipway serves models on Kubernetes."


def test_responses_are_routed(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="vllm", input="What is Slipway?", temperature=0)
    assert answer.output_text.startswith("Slipway serves models")


def test_another_task_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.embeddings.create(model="vllm", input="Hello")
    assert error_of(raised.value)["code"] == "unsupported_task"


def test_all_names_share_the_pod_and_it_says_its_device(vllm_installation: Installation) -> None:
    assert len(vllm_installation.get("pods", "-l", "slipway.dev/model")["items"]) == 1
    assert vllm_installation.get("mdep", "vllm")["status"]["device"] == "cpu"
