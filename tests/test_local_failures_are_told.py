"""A model that cannot serve says why, in the terminal and to callers, and hinders no other."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.eventually import eventually
from tests.local_mode import SlipwayUp, document, slipway_up

pytestmark = pytest.mark.local

MODELS = "".join(
    (
        document("words"),
        document("lost", "llamacpp", "file:///no/such/model.gguf"),
        document("flagged", args='["--speed=9"]'),
        document("big", "vllm", "hf://org/repo"),
        document("claimed", source="pvc://claim/path"),
        document("resting", rest="lifecycle: {suspend: true}"),
    )
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("up"), MODELS) as running:
        yield running


def ask(up: SlipwayUp, model: str) -> str | None:
    answer = up.client().chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}], max_tokens=1)
    return answer.choices[0].message.content


def refused(up: SlipwayUp, model: str) -> str:
    """The message of the error that says that ``model`` is not available."""
    with pytest.raises(openai.InternalServerError) as caught:
        ask(up, model)
    assert caught.value.status_code == 503
    assert caught.value.code == "model_unavailable"
    assert int(caught.value.response.headers["retry-after"]) > 0
    return caught.value.message


@pytest.mark.parametrize(
    ("model", "reason", "words"),
    [
        ("big", "EngineNotAvailable", "engine vllm"),
        ("claimed", "InvalidConfiguration", "file:///path/to/the/weights"),
        ("resting", "Suspended", "spec.lifecycle.suspend is true"),
    ],
)
def test_what_cannot_be_tried_here_is_told_at_once(up: SlipwayUp, model: str, reason: str, words: str) -> None:
    (line,) = [line for line in up.text.splitlines() if line.split()[:1] == [model]]
    assert f"blocked: {reason}: " in line
    assert words in line
    before = up.runtimes()
    assert reason in refused(up, model)
    assert up.runtimes() == before


@pytest.mark.parametrize(
    ("model", "reason", "words"),
    [("lost", "WeightsNotFound", "/no/such/model.gguf"), ("flagged", "InvalidConfiguration", "--speed")],
)
def test_what_fails_to_start_tells_its_cause_and_log(up: SlipwayUp, model: str, reason: str, words: str) -> None:
    assert reason in refused(up, model)
    shown = up.shows(f"{model}  failed: {reason}: ").split(f"{model}  failed: ")[1]
    assert words in shown.splitlines()[0]
    log = shown.split("log: ")[1].splitlines()[0]
    assert words in Path(log).read_text()


def test_an_engine_that_crashes_is_started_again_by_a_later_request(up: SlipwayUp) -> None:
    assert ask(up, "words") == "tok0"
    (runtime,) = up.runtimes()
    os.kill(runtime, signal.SIGKILL)
    up.shows("words  failed: EngineFailed: the runtime was ended by SIGKILL")
    answer = eventually("an answer", lambda: ask(up, "words"), lambda text: text == "tok0", within=30)
    assert answer == "tok0"
    assert up.runtimes() != [runtime]
