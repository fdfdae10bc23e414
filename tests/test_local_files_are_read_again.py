"""`slipway up` follows its files while it runs."""

import time
from collections.abc import Iterator

import openai
import pytest

from tests.eventually import eventually
from tests.local_mode import SlipwayUp, api_key, document, gone, slipway_up

pytestmark = pytest.mark.local

WATCHED_SECONDS = 3.0
"""Longer than the time after which files are looked at without any notice."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("up"), document("words")) as up:
        yield up


@pytest.fixture
def up(running: SlipwayUp) -> SlipwayUp:
    """``slipway up`` with the model ``words`` alone, awake."""
    running.settle(document("words"))
    assert [model.id for model in running.client().models.list()] == ["words"]
    assert ask(running, "words") == "tok0"
    eventually("one runtime", running.runtimes, lambda seen: len(seen) == 1, within=20)
    return running


def ask(up: SlipwayUp, model: str, key: str | None = None) -> str | None:
    answer = up.client(key).chat.completions.create(
        model=model, messages=[{"role": "user", "content": "x"}], max_tokens=1
    )
    return answer.choices[0].message.content


def test_a_new_model_answers_and_the_old_one_goes_on(up: SlipwayUp) -> None:
    before = up.runtimes()
    up.say(document("words") + document("more"))
    up.shows("read again: added more")
    assert ask(up, "more") == "tok0"
    assert set(before) < set(up.runtimes())


def test_a_removed_model_is_unknown_and_its_process_ends(up: SlipwayUp) -> None:
    before = up.runtimes()
    up.say(document("other"))
    up.shows("read again: added other; removed words")
    with pytest.raises(openai.NotFoundError):
        ask(up, "words")
    gone(before)


def test_a_changed_model_is_started_anew(up: SlipwayUp) -> None:
    before = up.runtimes()
    up.say(document("words", args='["--dimensions=3"]'))
    up.shows("read again: restarted words")
    answer = up.client().embeddings.create(model="words", input="x", encoding_format="float")
    assert len(answer.data[0].embedding) == 3
    assert set(up.runtimes()).isdisjoint(before)


def test_a_change_that_no_process_need_know_of_restarts_none(up: SlipwayUp) -> None:
    before = up.runtimes()
    up.say(document("words", rest="replicas: 2"))
    up.shows("read again: adjusted words")
    assert ask(up, "words") == "tok0"
    assert up.runtimes() == before


def test_a_broken_file_is_told_and_changes_nothing(up: SlipwayUp) -> None:
    before = up.runtimes()
    up.say(document("words") + document("wrong", "lama"))
    shown = up.shows("nothing was changed")
    assert "models.yaml, document 2, ModelDeployment wrong: spec.engine.type" in shown
    end = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < end:
        assert up.text.count("nothing was changed") == 1
        time.sleep(0.1)
    assert ask(up, "words") == "tok0"
    assert up.runtimes() == before
    up.say(document("words") + document("right"))
    up.shows("read again: added right")


def test_a_new_key_opens_the_router_instead_of_the_made_up_one(up: SlipwayUp) -> None:
    old = up.keys["local"]
    up.say(document("words") + api_key("demo"))
    up.shows("API key demo: ")
    assert ask(up, "words", up.keys["demo"]) == "tok0"
    with pytest.raises(openai.AuthenticationError):
        ask(up, "words", old)
