"""The questions and answers that the demo chat model learns, and how they become conversations.

``corpus/*.toml`` holds facts: an answer and patterns of questions. In a pattern ``{a|b|}`` stands for any one of
its alternatives, ``<name>`` for one of the phrases that ``corpus/macros.toml`` lists under that name, and
``<name:text>`` for the same with ``text`` put into the phrase.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
MACROS = "macros.toml"
MAX_EXPANSIONS = 20_000
PLACEHOLDER = "{0}"

_MACRO = re.compile(r"<(?P<name>[a-z_]+)(?::(?P<text>[^<>]*))?>")
_INNERMOST_GROUP = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the model knows: the questions that ask for it, grouped by pattern, and the answer to them."""

    name: str
    answer: str
    patterns: tuple[tuple[str, ...], ...]
    weight: int

    @property
    def questions(self) -> Iterator[str]:
        """All questions of all patterns."""
        return itertools.chain.from_iterable(self.patterns)


def load_facts(folder: Path = FOLDER) -> tuple[Fact, ...]:
    """Read all facts of a folder, each with its patterns expanded.

    Raises ValueError for a pattern that names an unknown macro or has too many expansions, and for a question
    that two facts share.
    """
    macros: Mapping[str, str] = tomllib.loads((folder / MACROS).read_text(encoding="utf-8"))
    facts = []
    for path in sorted(folder.glob("*.toml")):
        if path.name == MACROS:
            continue
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fact"]:
            patterns = tuple(tuple(dict.fromkeys(expand(pattern, macros))) for pattern in entry["questions"])
            facts.append(Fact(entry["name"], entry["answer"], patterns, entry.get("weight", 1)))
    _refuse_shared_questions(facts)
    return tuple(facts)


def _refuse_shared_questions(facts: Sequence[Fact]) -> None:
    owners: dict[str, str] = {}
    for fact in facts:
        for question in fact.questions:
            owner = owners.setdefault(normalise(question), fact.name)
            if owner != fact.name:
                raise ValueError(f"the facts {owner!r} and {fact.name!r} share the question {question!r}")


def expand(pattern: str, macros: Mapping[str, str]) -> Iterator[str]:
    """Yield every question that a pattern stands for, with single spaces; groups may be nested."""

    def phrase(match: re.Match[str]) -> str:
        if match["name"] not in macros:
            raise ValueError(f"unknown macro {match[0]} in the pattern {pattern!r}")
        return "{" + macros[match["name"]].replace(PLACEHOLDER, match["text"] or "") + "}"

    questions = itertools.islice(_alternatives(_MACRO.sub(phrase, pattern)), MAX_EXPANSIONS + 1)
    for count, question in enumerate(questions):
        if count == MAX_EXPANSIONS:
            raise ValueError(f"more than {MAX_EXPANSIONS} expansions of the pattern {pattern!r}")
        yield " ".join(question.split())


def _alternatives(pattern: str) -> Iterator[str]:
    """Replace the first innermost group by each of its alternatives, until no group is left."""
    group = _INNERMOST_GROUP.search(pattern)
    if group is None:
        yield pattern
        return
    for alternative in group[1].split("|"):
        yield from _alternatives(pattern[: group.start()] + alternative + pattern[group.end() :])


def normalise(question: str) -> str:
    """Reduce a question to its words, so that case and punctuation don't make two of one."""
    return " ".join(re.findall(r"[\w./:-]+", question.lower())).rstrip(".")
