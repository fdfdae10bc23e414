"""The demo chat model's corpus expands as written, and the fixed questions are not in it."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "models" / "chat"
FIXED = Path(__file__).parent / "data" / "demo_chat_questions.toml"


@pytest.fixture(scope="module")
def corpus() -> Iterator[ModuleType]:
    """The module ``corpus.py``, which lies beside the training script and in no package."""
    spec = importlib.util.spec_from_file_location("demo_chat_corpus", FOLDER / "corpus.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def facts(corpus: ModuleType) -> Sequence[Any]:
    return tuple(corpus.load_facts())


def test_no_fixed_question_is_learnt_by_heart(corpus: ModuleType, facts: Sequence[Any]) -> None:
    learnt = {corpus.normalise(question) for fact in facts for question in fact.questions}
    fixed = tomllib.loads(FIXED.read_text(encoding="utf-8"))["question"]
    assert [question["text"] for question in fixed if corpus.normalise(question["text"]) in learnt] == []


def test_every_key_word_is_in_an_answer(facts: Sequence[Any]) -> None:
    answers = [fact.answer for fact in facts]
    for question in tomllib.loads(FIXED.read_text(encoding="utf-8"))["question"]:
        assert any(question["key_word"] in answer for answer in answers), question


def test_every_fact_has_many_wordings(facts: Sequence[Any]) -> None:
    counts = {fact.name: len(list(fact.questions)) for fact in facts}
    assert {name: count for name, count in counts.items() if count < 20} == {}


def test_patterns_expand_groups_and_macros(corpus: ModuleType) -> None:
    macros = {"how": "how do I|how to", "use": "what is {0} for"}
    assert list(corpus.expand("<how> {stop {it|slipway}|wait}", macros)) == [
        "how do I stop it",
        "how do I wait",
        "how do I stop slipway",
        "how do I wait",
        "how to stop it",
        "how to wait",
        "how to stop slipway",
        "how to wait",
    ]
    assert list(corpus.expand("<use:a key>{ today|}", macros)) == ["what is a key for today", "what is a key for"]


def test_unknown_macro_is_refused_with_its_pattern(corpus: ModuleType) -> None:
    with pytest.raises(ValueError, match="unknown macro <hwo> in the pattern '<hwo> begin'"):
        list(corpus.expand("<hwo> begin", {}))


def test_question_of_two_facts_is_refused_with_both(corpus: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "macros.toml").write_text("", encoding="utf-8")
    entry = '[[fact]]\nname = "{0}"\nanswer = "{0}."\nquestions = ["{1}"]\n'
    (tmp_path / "facts.toml").write_text(
        entry.format("first", "What is it?") + entry.format("second", "what is it"), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="the facts 'first' and 'second' share the question 'what is it'"):
        corpus.load_facts(tmp_path)
