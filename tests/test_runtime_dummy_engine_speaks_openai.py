"""The dummy engine answers the OpenAI client: chat, completions, embeddings, streamed and not, with usage."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.runtimes import runtime

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder: Path = tmp_path_factory.mktemp("dummy")
    with runtime(folder, served_names=("m", "alias")) as process:
        process.wait_for_phase("ready")
        with process.openai() as client:
            yield client


def test_chat_answers_the_tokens_asked_for(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="alias", messages=[{"role": "user", "content": "one two three"}], max_tokens=3
    )
    assert answer.choices[0].message.content == "tok0 tok1 tok2"
    assert answer.model == "alias"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 3, 6)


def test_chat_streams_token_by_token_with_usage_when_asked(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "hi"}],
        max_tokens=4,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert [c.choices[0].delta.content for c in chunks[:4]] == ["tok0", " tok1", " tok2", " tok3"]
    assert chunks[4].choices[0].finish_reason == "length"
    assert chunks[5].usage is not None
    assert chunks[5].usage.completion_tokens == 4
    assert len(chunks) == 6


def test_completions_answer_and_stream(client: openai.OpenAI) -> None:
    assert client.completions.create(model="m", prompt="a b", max_tokens=2).choices[0].text == "tok0 tok1"
    stream = client.completions.create(model="m", prompt="a b", max_tokens=2, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "tok0 tok1"


def test_embeddings_are_deterministic_unit_vectors(client: openai.OpenAI) -> None:
    first, second, other = client.embeddings.create(model="m", input=["a", "a", "b"]).data
    assert first.embedding == second.embedding
    assert first.embedding != other.embedding
    assert sum(x * x for x in first.embedding) == pytest.approx(1, abs=1e-5)


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["m", "alias"]


def test_unknown_model_is_model_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.embeddings.create(model="nope", input="a")
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": [], "max_tokens": -1}, "max_tokens"),
        ({"messages": [], "dummy": {"tokens_per_second": "fast"}}, "dummy.tokens_per_second"),
        ({"messages": [], "dummy": {"speed": 1}}, "dummy.speed"),
    ],
)
def test_wrong_fields_are_named(client: openai.OpenAI, body: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.post("/chat/completions", body={"model": "m", **body}, cast_to=object)
    assert raised.value.param == param


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/completions", 405)])
def test_wrong_paths_and_methods_get_the_envelope(client: openai.OpenAI, method: str, path: str, status: int) -> None:
    root = str(client.base_url).removesuffix("/v1/")
    answer = client._client.request(method, root + path)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
