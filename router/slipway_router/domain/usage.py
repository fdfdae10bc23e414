"""Token counts, from the ``usage`` object that OpenAI-compatible engines put into answers and last stream chunks."""

import re
from dataclasses import dataclass
from typing import Final

_MARK: Final = b'"usage"'
_WINDOW: Final = 512
"""Bytes after the mark in which the counts stand."""
_PROMPT: Final = re.compile(rb'"prompt_tokens"\s*:\s*(\d{1,12})')
_COMPLETION: Final = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,12})')


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    prompt_tokens: int
    completion_tokens: int


class UsageFinder:
    """Looks for the last ``"usage"`` in an answer that arrives in pieces, without decoding the rest.

    Inside a JSON string the mark cannot stand: its quotes would be escaped there.
    """

    __slots__ = ("_carry", "_found")

    def __init__(self) -> None:
        self._carry = b""
        self._found = b""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the body."""
        data = self._carry + piece if self._carry else piece
        at = data.rfind(_MARK)
        if at < 0:
            self._carry = data[1 - len(_MARK) :]
            return
        self._found = data[at : at + _WINDOW]
        self._carry = self._found if len(data) - at < _WINDOW else b""

    @property
    def usage(self) -> Usage | None:
        """The counts, if the answer had any."""
        prompt, completion = _PROMPT.search(self._found), _COMPLETION.search(self._found)
        if prompt is None and completion is None:
            return None
        return Usage(int(prompt[1]) if prompt else 0, int(completion[1]) if completion else 0)
