"""Token counts, from what engines put into answers and stream chunks.

Chat completions have a ``usage`` object with prompt and completion tokens; OpenAI's responses and Anthropic's messages
call them input and output tokens. A stream of messages tells the input with its first ``usage`` and the output with its
last one. Anthropic's input tokens are without those that came from the prompt cache or went there; OpenAI's are all.
llama.cpp has ``timings`` besides, whose prompt is without what was cached.
"""

import re
from typing import Final

USAGE_MARK: Final = b'"usage"'
TIMINGS_MARK: Final = b'"timings"'
_WINDOW: Final = 512
"""Bytes after the mark in which the counts stand."""
_USUAL: Final = re.compile(
    rb'"usage"\s*+:\s*+\{\s*+"prompt_tokens"\s*+:\s*+(\d{1,12}+)\s*+,\s*+'
    rb'(?:"total_tokens"\s*+:\s*+\d{1,12}+\s*+,\s*+)?+"completion_tokens"\s*+:\s*+(\d{1,12}+)'
)
"""The counts as most engines begin with them."""
_PROMPT: Final = re.compile(rb'"(?:prompt|input)_tokens"\s*:\s*(\d{1,12})')
_COMPLETION: Final = re.compile(rb'"(?:completion|output)_tokens"\s*:\s*(\d{1,12})')
_CACHE: Final = b"cache"
"""Part of the names of the counts that many engines leave out."""
_CACHED: Final = re.compile(rb'"cached_tokens"\s*:\s*(\d{1,12})')
_READ: Final = re.compile(rb'"cache_read_input_tokens"\s*:\s*(\d{1,12})')
_WRITTEN: Final = re.compile(rb'"cache_creation_input_tokens"\s*:\s*(\d{1,12})')
_TIMINGS_PROMPT: Final = re.compile(rb'"prompt_n"\s*:\s*(\d{1,12})')
_TIMINGS_CACHED: Final = re.compile(rb'"cache_n"\s*:\s*(\d{1,12})')
_TIMINGS_COMPLETION: Final = re.compile(rb'"predicted_n"\s*:\s*(\d{1,12})')


class Usage:
    """Tokens of one request."""

    __slots__ = ("cached_tokens", "completion_tokens", "prompt_tokens")

    def __init__(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> None:
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.cached_tokens = cached_tokens
        """Of the prompt's tokens, those that the engine had computed before."""


def usage_in(window: bytes, first: bytes = b"") -> Usage | None:
    """The counts that stand behind a mark; those that are not there, behind an earlier mark."""
    if window.startswith(TIMINGS_MARK):
        return _timings(window)
    usual = _USUAL.match(window)
    if usual is not None and window.find(_CACHE) < 0:
        return Usage(int(usual[1]), int(usual[2]))
    prompt, completion = _PROMPT.search(window), _COMPLETION.search(window)
    with_prompt = window
    if first:
        if prompt is None:
            prompt, with_prompt = _PROMPT.search(first), first
        completion = completion or _COMPLETION.search(first)
    if prompt is None and completion is None:
        return None
    if with_prompt.find(_CACHE) < 0:
        return Usage(int(prompt[1]) if prompt else 0, int(completion[1]) if completion else 0)
    read, written = _number(_READ, with_prompt), _number(_WRITTEN, with_prompt)
    return Usage(
        (int(prompt[1]) if prompt else 0) + read + written,
        int(completion[1]) if completion else 0,
        _number(_CACHED, with_prompt) or read,
    )


def _timings(window: bytes) -> Usage | None:
    completion = _TIMINGS_COMPLETION.search(window)
    if completion is None:
        return None
    cached = _number(_TIMINGS_CACHED, window)
    return Usage(_number(_TIMINGS_PROMPT, window) + cached, int(completion[1]), cached)


def _number(pattern: re.Pattern[bytes], window: bytes) -> int:
    found = pattern.search(window)
    return int(found[1]) if found else 0


class UsageFinder:
    """Looks for the last ``"usage"`` in an answer that arrives in pieces, without decoding the rest.

    With ``also_first``, counts that the last one lacks are taken from the first one.

    Inside a JSON string the mark cannot stand: its quotes would be escaped there.
    """

    __slots__ = ("_also_first", "_carry", "_first", "_mark", "found")

    def __init__(self, *, also_first: bool = False, mark: bytes = USAGE_MARK) -> None:
        self._also_first = also_first
        self._mark = mark
        self._carry = b""
        self._first = b""
        self.found = b""
        """The last mark, and what stands behind it."""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the body."""
        data = self._carry + piece if self._carry else piece
        mark = self._mark
        at = data.rfind(mark)
        if at < 0:
            self._carry = data[1 - len(mark) :]
            return
        if self._also_first and not self._first:
            first = data.find(mark)
            if first < at:
                self._first = data[first : first + _WINDOW]
            elif not self._carry.startswith(mark):
                self._first = self.found  # Of an earlier piece, if there was one.
        self.found = data[at : at + _WINDOW]
        self._carry = self.found if len(data) - at < _WINDOW else data[1 - len(mark) :]

    @property
    def found_two(self) -> bool:
        """With ``also_first``: whether the last one is not the first one."""
        return bool(self._first)

    @property
    def usage(self) -> Usage | None:
        """The counts, if the answer had any."""
        return usage_in(self.found, self._first)
