"""`spec.defaults`, `spec.limits` and `spec.responseCache` hold in local mode, in front of real engines."""

from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.eventually import eventually
from tests.local_mode import SlipwayUp, document, slipway_up

pytestmark = pytest.mark.local

QUESTION = ChatCompletionUserMessageParam(role="user", content="What is Slipway?")


def words(limit: int) -> str:
    return document("words", rest=f"defaults: {{maxTokens: 3}}, limits: {{maxTokens: {limit}}}, responseCache: {{}}")


TALK = document("talk", "llamacpp", "demo://chat", rest="limits: {maxTokens: 6, maxPromptTokens: 64}")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("up"), words(5) + TALK) as running:
        yield running


def tokens(up: SlipwayUp, name: str, max_tokens: int | None = None, **extra: object) -> int:
    """How long the answer is."""
    answer = up.client().chat.completions.create(
        model=name, messages=[QUESTION], max_tokens=max_tokens, extra_body=dict(extra)
    )
    assert answer.usage is not None
    return answer.usage.completion_tokens


def test_answers_are_as_long_as_the_model_says(up: SlipwayUp) -> None:
    assert tokens(up, "words", max_tokens=4) == 4
    assert tokens(up, "words", max_tokens=100) == 5
    answer = up.client().chat.completions.create(model="words", messages=[QUESTION])
    assert answer.choices[0].message.content == "tok0 tok1 tok2"


def test_llamacpp_has_no_way_around_it(up: SlipwayUp) -> None:
    assert tokens(up, "talk", max_tokens=100, ignore_eos=True) == 6
    assert tokens(up, "talk", max_tokens=2, n_predict=-1, ignore_eos=True) == 6
    assert tokens(up, "talk", max_completion_tokens=100, ignore_eos=True) == 6
    assert tokens(up, "talk", max_completion_tokens=2, ignore_eos=True) == 2
    assert tokens(up, "talk", ignore_eos=True, repetition_penalty=1.2) == 6


def test_what_is_wrong_is_named(up: SlipwayUp) -> None:
    with pytest.raises(openai.BadRequestError, match="'temperature' must be a number from 0 to 2") as caught:
        tokens(up, "words", temperature=3)
    assert caught.value.param == "temperature"
    long = ChatCompletionUserMessageParam(role="user", content="word " * 100)
    with pytest.raises(openai.BadRequestError, match="about 125 tokens long") as caught:
        up.client().chat.completions.create(model="talk", messages=[long])
    assert caught.value.code == "context_length_exceeded"


def said(up: SlipwayUp) -> str | None:
    raw = up.client().chat.completions.with_raw_response.create(
        model="words", messages=[QUESTION], temperature=0, max_tokens=100
    )
    return raw.headers.get("x-slipway-cache")


def test_an_answer_is_given_again_until_the_limit_changes(up: SlipwayUp) -> None:
    assert [said(up), said(up)] == ["miss", "hit"]
    up.settle(words(7) + TALK)
    eventually("the new limit", lambda: tokens(up, "words", max_tokens=100), lambda count: count == 7, within=10)
    assert said(up) == "miss"
