"""Make training conversations out of the facts: wordings, typing mistakes, several turns, system messages."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

from corpus import Fact

BEFORE = (
    "hi, ", "hello, ", "hey, ", "hello! ", "please ", "please tell me, ", "quick question: ", "tell me, ", "ok, ",
    "so ", "and ", "now ", "sorry, ", "one more question: ", "just wondering, ", "excuse me, ", "thanks. ", "dear, ",
    "a question: ", "well, ", "Good morning. ", "I would like to know: ", "can you tell me, ", "could you tell me ",
    "do you know ", "I wonder ", "may I ask ", "simply put, ", "in short, ", "for a beginner, ", "my boss asks, ",
)  # fmt: skip
AFTER = (
    " please", ", please", " in slipway", " with slipway", " for me", " exactly", " again", " here", " now", " then",
    " on my cluster", " in short", " in general", ", do you know", " really", " thanks", ", and why", " today",
    " in production", " as a beginner", " by the way", " in my company", " these days", " for my team",
)  # fmt: skip
ENDS = ("?", "?", "?", "", "", ".", "??", "!", " ?", "...")
FILLERS = (
    "really",
    "just",
    "actually",
    "exactly",
    "maybe",
    "my",
    "the",
    "a",
    "some",
    "own",
    "new",
    "old",
    "single",
    "best",
)
SYSTEM_MESSAGES = (
    "You are a helpful assistant.", "You are Slipway's demo model.", "Answer briefly.", "You are a polite assistant.",
    "Answer in one sentence.", "You are an expert for Kubernetes.", "Be concise and friendly.", "You answer questions.",
    "You are a helpful, respectful and honest assistant.", "You are a support bot. Answer truthfully.", "Be kind.",
    "You are an AI assistant that helps people find information.", "Speak English.", "Think step by step.", "Test.",
)  # fmt: skip
SYSTEM_SHARE = 0.15
TURNS = (1,) * 16 + (2, 2, 3, 4)
GIBBERISH_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as in the OpenAI API."""

    role: str
    content: str


def make_conversation(facts: Sequence[Fact], weights: Sequence[int], draw: random.Random) -> list[Message]:
    """Draw a conversation of some turns about facts that have nothing to do with each other."""
    messages = []
    if draw.random() < SYSTEM_SHARE:
        messages.append(Message("system", draw.choice(SYSTEM_MESSAGES)))
    for fact in draw.choices(facts, weights, k=draw.choice(TURNS)):
        if fact.name == "unknown" and draw.random() < GIBBERISH_SHARE:
            question = _gibberish(draw)
        else:
            question = reword(draw.choice(draw.choice(fact.patterns)), draw)
        messages += [Message("user", question), Message("assistant", fact.answer)]
    return messages


def reword(question: str, draw: random.Random) -> str:
    """Write a question as another person might: politeness, fillers, punctuation, typing mistakes."""
    if draw.random() < 0.15:
        question = _insert_filler(question, draw)
    if draw.random() < 0.05:
        question = _garble_word(question, draw)
    if draw.random() < 0.25:
        question = draw.choice(BEFORE) + question
    if draw.random() < 0.15:
        question += draw.choice(AFTER)
    question += draw.choice(ENDS)
    if draw.random() < 0.15:
        question = _mistype(question, draw)
    return question


def _insert_filler(question: str, draw: random.Random) -> str:
    words = question.split()
    words.insert(draw.randrange(len(words) + 1), draw.choice(FILLERS))
    return " ".join(words)


def _garble_word(question: str, draw: random.Random) -> str:
    words = question.split()
    words[draw.randrange(len(words))] = "".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9)))
    return " ".join(words)


def _mistype(question: str, draw: random.Random) -> str:
    if len(question) < 6:
        return question
    place = draw.randrange(1, len(question) - 2)
    before, first, second, after = question[:place], question[place], question[place + 1], question[place + 2 :]
    return before + draw.choice((second + first, first, second, first + first + second)) + after


def _gibberish(draw: random.Random) -> str:
    letters = string.ascii_lowercase * 4 + string.digits + string.punctuation + "äöüßéèñçøł日本語русский😀🚀 "
    words = ("".join(draw.choices(letters, k=draw.randint(1, 12))) for _ in range(draw.randint(1, 8)))
    return " ".join(words)
