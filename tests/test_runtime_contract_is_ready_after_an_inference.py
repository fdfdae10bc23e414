"""Every engine goes through its phases in order, and is ready only once it has answered a real request."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine_cases import Started, sample
from tests.runtimes import CHAT_MODEL, runtime

ORDER = ["fetching", "loading", "warming", "ready"]


def test_phases_follow_one_another(engine: Started) -> None:
    assert engine.phases == [phase for phase in ORDER if phase in engine.phases]
    assert engine.phases[-1] == "ready"
    state = engine.process.state()
    assert state is not None
    assert list(state["phaseSeconds"]) == ORDER


def test_it_is_not_ready_before(engine: Started) -> None:
    assert engine.ready_too_early == []


def test_it_has_answered_when_it_is_ready(engine: Started) -> None:
    assert sample(engine.metrics_when_ready, engine.case.worked) > 0


@pytest.mark.local
@pytest.mark.parametrize(
    "fields",
    [
        {"engine_args": ("--fail-status=500",)},
        {
            "engine": "llamacpp",
            "model_source": CHAT_MODEL,
            # Its first word breaks it: what llama.cpp tries out when it loads has no such word.
            "engine_args": (
                "--chat-template={% if messages[0].content == 'Hi' %}{{ raise_exception('no') }}{% endif %}",
            ),
        },
    ],
    ids=["dummy", "llamacpp"],
)
def test_a_model_whose_first_answer_fails_is_never_ready(tmp_path: Path, fields: dict[str, Any]) -> None:
    with runtime(tmp_path, **fields) as process:
        assert process.wait_for_exit(60) != 0
        told = process.termination_message()
    assert told["reason"] == "EngineFailed"
    assert "the warm-up request to /v1/chat/completions failed" in told["message"]
    assert "phase ready" not in process.log
