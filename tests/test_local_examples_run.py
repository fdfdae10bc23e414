"""Every example is run by ``slipway up`` and asked what it is for; or it is known why that cannot be here."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionUserMessageParam

from slipway_crds.documents import load_documents
from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from tests import engines_environment
from tests.local_mode import SlipwayUp, slipway_up

EXAMPLES = Path(__file__).parent.parent / "examples"
START_SECONDS = 600.0
RED = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAACgAAAAeCAIAAADRv8uKAAAAKElEQVR42u3NsQ0AAAjAoP7/tJ6hAwk7TZ1ILBaLxWKxWCwWi8V/"
    "4wU+nauNixxYhAAAAABJRU5ErkJggg=="
)
"""A picture in one colour."""
QUESTION = ChatCompletionUserMessageParam(role="user", content="What is Slipway?")

ELSEWHERE = {
    # example: why it cannot run on any machine without more
    "api-keys": "keys only: no model in it",
    "external": "asks a provider on the internet",
    "lora": "weights from a hub",
    "model-route": "names models of other files",
    "tei": "a container, which clusters run",
    "vllm": "weights from a hub",
    "weights-cache": "weights from a hub",
}


def chat(up: SlipwayUp, model: str) -> None:
    answer = up.client().chat.completions.create(model=model, messages=[QUESTION], max_tokens=8)
    assert answer.choices[0].message.content


def chat_with_adapters(up: SlipwayUp, model: str) -> None:
    answers = {
        name: up.client()
        .chat.completions.create(model=name, messages=[QUESTION], max_tokens=40, temperature=0)
        .choices[0]
        .message.content
        for name in (model, "demo-pirate", "demo-brief")
    }
    assert len(set(answers.values())) == 3, answers


def vision(up: SlipwayUp, model: str) -> None:
    text: ChatCompletionContentPartParam = {"type": "text", "text": "What is the"}
    picture: ChatCompletionContentPartParam = {"type": "image_url", "image_url": {"url": RED}}
    question = ChatCompletionUserMessageParam(role="user", content=[text, picture])
    answer = up.client().chat.completions.create(model=model, messages=[question], max_tokens=20, temperature=0)
    assert (answer.choices[0].message.content or "").startswith("The router")


def embeddings(up: SlipwayUp, model: str) -> None:
    vectors = up.client().embeddings.create(model=model, input=["a ship", "leaves the slipway"]).data
    assert [len(vector.embedding) > 0 for vector in vectors] == [True, True]


def rerank(up: SlipwayUp, model: str) -> None:
    documents = ["a bowl of rice", "a boat at sea"]
    answer = asked(up, "/v1/rerank", {"model": model, "query": "a ship at sea", "documents": documents})
    assert answer["results"][0]["index"] == 1


def classify(up: SlipwayUp, model: str) -> None:
    answer = asked(up, "/classify", {"model": model, "input": ["what a lovely day", "this is terrible"]})
    labels = [item["label"] for item in answer["data"]]
    assert len(set(labels)) == 2


def image(up: SlipwayUp, model: str) -> None:
    answer = up.client().images.generate(model=model, prompt="a red circle", response_format="b64_json")
    assert answer.data is not None
    assert answer.data[0].b64_json


def asked(up: SlipwayUp, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a call that OpenAI's client does not have."""
    key = next(iter(up.keys.values()))
    url = up.base_url.removesuffix("/v1")
    answer = httpx2.post(f"{url}{path}", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


HERE: dict[str, dict[str, Callable[[SlipwayUp, str], None]]] = {
    # example: what each of its models is asked
    "autoscaling": {"chat-autoscaled": chat},
    "classify": {"demo-classify": classify},
    "dummy": {"dummy": chat},
    "gpu-chat": {"gpu-chat": chat},
    "gpu-embed": {"gpu-embed": embeddings},
    "quickstart": {"demo-chat": chat, "demo-embed": embeddings},
    "rerank": {"demo-rerank": rerank},
}
IN_THEIR_ENVIRONMENT: dict[str, dict[str, Callable[[SlipwayUp, str], None]]] = {
    "images": {"demo-images": image},
    "vision": {"demo-vision": vision},
    "vllm-cpu": {"demo-vllm": chat_with_adapters},
}


def text(example: str) -> str:
    return (EXAMPLES / f"{example}.yaml").read_text()


def models(example: str) -> list[ModelDeployment]:
    documents = load_documents(text(example), example)
    return [document for document in documents if isinstance(document, ModelDeployment)]


@pytest.fixture(scope="module")
def up_with_their_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    """All examples of heavy engines at once: for the most part, a start is one thread that imports."""
    python = engines_environment.python()
    engines: set[EngineType] = {model.spec.engine.type for example in IN_THEIR_ENVIRONMENT for model in models(example)}
    arguments = [part for engine in sorted(engines) for part in ("--engine-python", f"{engine}={python}")]
    documents = "\n---\n".join(text(example) for example in IN_THEIR_ENVIRONMENT)
    with slipway_up(tmp_path_factory.mktemp("up"), documents, "--eager", *arguments) as up:
        yield up


def ask_all(up: SlipwayUp, calls: dict[str, Callable[[SlipwayUp, str], None]]) -> None:
    for name, call in calls.items():
        up.shows(f"{name}  ready in ", within=START_SECONDS)
        call(up, name)


def test_every_example_is_accounted_for() -> None:
    known = [*HERE, *IN_THEIR_ENVIRONMENT, *ELSEWHERE]
    assert sorted(known) == sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
    for example, calls in {**HERE, **IN_THEIR_ENVIRONMENT}.items():
        assert [model.metadata.name for model in models(example)] == list(calls)


@pytest.mark.local
@pytest.mark.parametrize("example", HERE)
def test_an_example_answers(tmp_path: Path, example: str) -> None:
    with slipway_up(tmp_path, text(example), "--eager") as up:
        ask_all(up, HERE[example])


@pytest.mark.engines
@pytest.mark.parametrize("example", IN_THEIR_ENVIRONMENT)
def test_an_example_answers_by_an_engine_in_its_own_environment(
    up_with_their_environment: SlipwayUp, example: str
) -> None:
    ask_all(up_with_their_environment, IN_THEIR_ENVIRONMENT[example])


@pytest.mark.local
@pytest.mark.parametrize(
    ("example", "words"),
    [
        ("tei", "EngineNotAvailable: engine tei is a container"),
        ("external", "SecretNotFound: a cluster takes the provider's key from Secret openai, key token"),
        ("api-keys", "no models yet"),
    ],
)
def test_an_example_that_cannot_run_says_why(tmp_path: Path, example: str, words: str) -> None:
    with slipway_up(tmp_path, text(example)) as up:
        assert words in up.text
