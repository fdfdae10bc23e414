"""Token counts, from the ``usage`` object that engines put into answers and last stream chunks.

Chat completions call them prompt and completion tokens; OpenAI's responses and Anthropic's messages, input and output
tokens. A stream of messages tells the input with its first ``usage`` and the output with its last one.
"""

import re
from dataclasses import dataclass
from typing import Final

_MARK: Final = b'"usage"'
_WINDOW: Final = 512
"""Bytes after the mark in which the counts stand."""
_PROMPT: Final = re.compile(rb'"(?:prompt|input)_tokens"\s*:\s*(\d{1,12})')
_COMPLETION: Final = re.compile(rb'"(?:completion|output)_tokens"\s*:\s*(\d{1,12})')


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int


class UsageFinder:
    """Looks for the last ``"usage"`` in an answer that arrives in pieces, without decoding the rest.

    With ``also_first``, counts that the last one lacks are taken from the first one.

    Inside a JSON string the mark cannot stand: its quotes would be escaped there.
    """

    __slots__ = ("_also_first", "_carry", "_first", "_found")

    def __init__(self, *, also_first: bool = False) -> None:
        self._also_first = also_first
        self._carry = b""
        self._first = b""
        self._found = b""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the body."""
        data = self._carry + piece if self._carry else piece
        at = data.rfind(_MARK)
        if at < 0:
            self._carry = data[1 - len(_MARK) :]
            return
        if self._also_first and not self._first:
            first = data.find(_MARK)
            if first < at:
                self._first = data[first : first + _WINDOW]
            elif not self._carry.startswith(_MARK):
                self._first = self._found  # Of an earlier piece, if there was one.
        self._found = data[at : at + _WINDOW]
        self._carry = self._found if len(data) - at < _WINDOW else b""

    @property
    def usage(self) -> Usage | None:
        """The counts, if the answer had any."""
        prompt, completion = _PROMPT.search(self._found), _COMPLETION.search(self._found)
        if self._first:
            prompt, completion = prompt or _PROMPT.search(self._first), completion or _COMPLETION.search(self._first)
        if prompt is None and completion is None:
            return None
        return Usage(int(prompt[1]) if prompt else 0, int(completion[1]) if completion else 0)
