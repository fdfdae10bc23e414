"""What the terminal says of models: pure."""

import ast
import json
import shlex
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from slipway_crds.conditions import Reason
from slipway_crds.documents import load_documents
from slipway_local.adapters.terminal import models_table
from slipway_local.domain.failures import problem_of
from slipway_local.domain.reporting import last_start, line_about, seconds
from slipway_local.domain.view import ModelView, RuntimeReport, Status
from slipway_local.domain.welcome import base_url, models_list, welcome
from slipway_local.domain.world import Machine, Problem, World, world_of
from tests.local_mode import api_key, document

LOST = Problem(Reason.WEIGHTS_NOT_FOUND, "no such file")


def view(status: Status, **fields: object) -> ModelView:
    return ModelView("m", "dummy", status, **fields)  # type: ignore[arg-type]


def world(text: str) -> World:
    return world_of(load_documents(text, "test"), Machine())


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (None, view(Status.STARTING), "m  starting"),
        (
            view(Status.STARTING),
            view(Status.STARTING, report=RuntimeReport("fetching", bytes_fetched=12_000_000, bytes_total=40_000_000)),
            "m  fetching 12 of 40 MB",
        ),
        (
            view(Status.STARTING, report=RuntimeReport("fetching", bytes_fetched=1)),
            view(Status.STARTING, report=RuntimeReport("fetching", bytes_fetched=9_000_000)),
            None,
        ),
        (
            view(Status.STARTING),
            view(Status.READY, start_seconds=3.21, report=RuntimeReport("ready", {"loading": 2.5, "warming": 0.01})),
            "m  ready in 3.2 s (loading 2.5 s)",
        ),
        (
            view(Status.STARTING),
            view(Status.FAILED, problem=LOST, log=Path("/log"), last_words=("why: no such file", "more")),
            "m  failed: WeightsNotFound: no such file\n    more\n    log: /log",
        ),
        (view(Status.FAILED, problem=LOST), view(Status.ASLEEP, problem=LOST), None),
        (view(Status.STOPPING), view(Status.ASLEEP), "m  asleep, starts with the first request"),
    ],
)
def test_changes_worth_a_line_get_one(before: ModelView | None, after: ModelView, line: str | None) -> None:
    assert line_about(before, after) == line


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (185, "3 min 5 s")])
def test_times_read_well(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("code", "left_behind", "words", "problem"),
    [
        (66, '{"reason": "WeightsNotFound", "message": "no such file"}', (), LOST),
        (3, "", ("first", "boom"), Problem(Reason.ENGINE_FAILED, "the runtime ended with exit code 3: boom")),
        (
            3,
            '{"reason": "Nonsense", "message": ""}',
            (),
            Problem(Reason.ENGINE_FAILED, "the runtime ended with exit code 3"),
        ),
        (-15, "", (), Problem(Reason.ENGINE_FAILED, "the runtime was ended by SIGTERM")),
        (-40, "", (), Problem(Reason.ENGINE_FAILED, "the runtime was ended by signal 40")),
    ],
)
def test_an_end_is_explained_by_what_was_left_behind(
    code: int, left_behind: str, words: tuple[str, ...], problem: Problem
) -> None:
    assert problem_of(code, left_behind, words) == problem


def test_the_welcome_has_commands_that_work_as_they_stand() -> None:
    files = world(document("closed") + document("a") + api_key("k", '["a"]') + api_key("all"))
    text = welcome(files, {"k": "sk-1", "all": "sk-2"}, "127.0.0.1", 8080)
    assert text.startswith("OpenAI API on http://127.0.0.1:8080/v1\nAPI key k: sk-1\nAPI key all: sk-2\n")
    curl, program = text.split("\n\n")[1:3]
    words = shlex.split(curl)
    assert words[:2] == ["curl", "http://127.0.0.1:8080/v1/chat/completions"]
    assert json.loads(words[words.index("-d") + 1])["model"] == "a"
    assert "Authorization: Bearer sk-1" in words
    ast.parse(program)


def test_the_welcome_warns_when_others_can_reach_the_router() -> None:
    assert "other machines can reach it" in welcome(world(""), {"local": "s"}, "0.0.0.0", 80)
    assert "other machines" not in welcome(world(""), {"local": "s"}, "::1", 80)
    assert base_url("::", 80) == "http://[::1]:80"


def test_models_are_listed_in_columns() -> None:
    views = [ModelView("long-name", "onnx"), ModelView("x", "llamacpp", Status.BLOCKED, problem=LOST)]
    first, second = models_list(views).splitlines()
    assert first.index("asleep") == second.index("blocked: WeightsNotFound: no such file")
    assert "add a ModelDeployment" in models_list([])


def test_the_table_shows_how_long_a_start_takes_already() -> None:
    out = StringIO()
    starting = view(Status.STARTING, since=100.0, report=RuntimeReport("loading"))
    Console(file=out, width=100).print(models_table([starting], now=104.5))
    assert out.getvalue().splitlines()[1].split() == ["m", "dummy", "loading", "4.5", "s"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, ""),
        ({"total": 0.05}, "0.1 s"),
        (
            {"scheduled": 0.04, "pulled": 4.5, "fetched": 12.35, "loaded": 75.0, "total": 95.2},
            "1 min 35 s: pulled 4.5 s, fetched 12 s, loaded 1 min 15 s",
        ),
    ],
)
def test_the_last_start_in_a_column(parts: dict[str, float], words: str) -> None:
    assert last_start(parts) == words
