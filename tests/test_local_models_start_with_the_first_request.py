"""`slipway up` starts a model when somebody asks for it, and answers an OpenAI client."""

from collections.abc import Iterator

import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from slipway_local.adapters.router_client import router_client
from tests.eventually import eventually
from tests.local_mode import SlipwayUp, document, slipway_up

pytestmark = pytest.mark.local

MODELS = document("words") + document("vectors", "onnx", "demo://embed") + document("unused")
QUESTION = ChatCompletionUserMessageParam(role="user", content="What is Slipway?")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("up"), MODELS) as running:
        yield running


def states(up: SlipwayUp) -> dict[str, str]:
    return {model.id: model.model_extra["state"] for model in up.client().models.list() if model.model_extra}


def test_models_are_listed_before_they_run(up: SlipwayUp) -> None:
    assert up.runtimes() == []
    assert states(up) == {"words": "asleep", "vectors": "asleep", "unused": "asleep"}


def test_the_first_request_waits_for_the_start_and_is_answered(up: SlipwayUp) -> None:
    answer = up.client().chat.completions.create(model="words", messages=[QUESTION], max_tokens=3)
    assert answer.choices[0].message.content == "tok0 tok1 tok2"
    assert len(up.runtimes()) == 1
    assert states(up)["words"] == "ready"
    up.shows("words  ready in ")


def test_streams_arrive_in_pieces(up: SlipwayUp) -> None:
    with up.client().chat.completions.create(model="words", messages=[QUESTION], max_tokens=4, stream=True) as stream:
        deltas = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    assert [text for text in deltas if text] == ["tok0", " tok1", " tok2", " tok3"]


def test_an_embedding_model_starts_beside_it(up: SlipwayUp) -> None:
    answer = up.client().embeddings.create(model="vectors", input=["a ship", "leaves the slipway"])
    assert [len(item.embedding) for item in answer.data] == [384, 384]


def test_what_nobody_asks_for_stays_asleep(up: SlipwayUp) -> None:
    assert states(up)["unused"] == "asleep"
    assert "unused  starting" not in up.text


def test_slipway_models_and_chat_take_the_kept_key(up: SlipwayUp) -> None:
    url = up.base_url.removesuffix("/v1")
    listed = up.slipway("models", "--url", url)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["MODEL", "unused", "vectors", "words"], listed
    said = up.slipway("chat", "words", "-m", "What is Slipway?", "--url", url)
    assert said.stdout.startswith("tok0 tok1 tok2"), said
    running = up.slipway("models", "--url", url).stdout.splitlines()[-1]
    *told, took, unit = running.partition(":")[0].split()
    assert told == ["words", "ready", "dummy", "cpu", "chat,", "completions,", "embeddings"]
    assert (float(took) > 0, unit) == (True, "s")
    talked = up.slipway("chat", "words", "--system", "Be brief.", "--url", url, said="hello\n\nand again\n")
    assert talked.stdout.splitlines() == [said.stdout.strip()] * 2 + [""], talked
    unknown = up.slipway("chat", "nobody", "-m", "hello", "--url", url)
    assert (unknown.returncode, "HTTP 404" in unknown.stderr) == (1, True)


def test_slipway_keys_usage_tells_what_was_asked_of_every_model(up: SlipwayUp) -> None:
    up.client().chat.completions.create(model="words", messages=[QUESTION], max_tokens=3)
    up.client().embeddings.create(model="words", input="a ship")

    def told() -> list[list[str]]:
        shown = up.slipway("keys", "usage", "--url", up.base_url, "--by", "name,operation")
        return [line.split() for line in shown.stdout.splitlines()]

    header, *lines = eventually("both are told", told, lambda lines: len(lines) > 2, within=10)
    assert header == ["NAME", "OPERATION", "REQUESTS", "PROMPT_TOKENS", "COMPLETION_TOKENS"]
    assert {("words", "/v1/chat/completions"), ("words", "/v1/embeddings")} <= {(line[0], line[1]) for line in lines}
    with router_client(up.base_url, next(iter(up.keys.values()))) as router:
        page_by_page = router.usage(everyone=False, group_by="name,operation", limit="1")
    assert [[row["name"], row["operation"]] for row in page_by_page] == [line[:2] for line in lines]
