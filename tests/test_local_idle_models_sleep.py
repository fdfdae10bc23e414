"""A model that nobody uses gives its memory back, and wakes again when asked."""

from collections.abc import Iterator

import pytest

from tests.local_mode import SlipwayUp, document, gone, slipway_up

pytestmark = pytest.mark.local

OWN = "autoscaling: {minReplicas: 0, maxReplicas: 1, scaleToZero: {idleAfter: 1s}}"
LONG = "autoscaling: {minReplicas: 0, maxReplicas: 1, scaleToZero: {idleAfter: 1h}}"
MODELS = document("own", rest=OWN) + document("silent") + document("busy", rest=OWN) + document("long", rest=LONG)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlipwayUp]:
    with slipway_up(tmp_path_factory.mktemp("up"), MODELS, "--idle-timeout", "1s") as running:
        yield running


def ask(up: SlipwayUp, model: str, tokens: int = 1, speed: float = 0) -> str | None:
    answer = up.client().chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "x"}],
        max_tokens=tokens,
        extra_body={"dummy": {"tokens_per_second": speed}},
    )
    return answer.choices[0].message.content


@pytest.mark.parametrize("model", ["own", "silent"])
def test_it_sleeps_after_its_idle_time_or_the_default_one_and_wakes(up: SlipwayUp, model: str) -> None:
    before = up.runtimes()
    assert ask(up, model) == "tok0"
    processes = [pid for pid in up.runtimes() if pid not in before]
    up.shows(f"{model}  asleep")
    gone(processes)
    assert ask(up, model) == "tok0"


def test_a_request_longer_than_the_idle_time_keeps_it_awake(up: SlipwayUp) -> None:
    assert ask(up, "busy", tokens=4, speed=1.5) == "tok0 tok1 tok2 tok3"
    up.shows("busy  stopping")
    assert up.text.count("busy  starting") == 1


def test_a_longer_time_of_its_own_counts_more_than_the_default(up: SlipwayUp) -> None:
    assert ask(up, "long") == "tok0"
    assert ask(up, "busy", tokens=4, speed=1.5) == "tok0 tok1 tok2 tok3"
    assert "long  stopping" not in up.text
