"""Heads of messages that are the same every time but for the digits of ``Content-Length``: they need no parser."""

import re
from typing import Final

_MAX_DIGITS: Final = 10
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)


class CutHead:
    """A head, cut at the digits of its length."""

    __slots__ = ("_after", "_before", "digits")

    def __init__(self, before: bytes, digits: bytes, after: bytes) -> None:
        self._before = before
        self._after = after
        self.digits = digits
        """What stood there when it was cut."""

    def split(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The digits in ``data`` and its body, if it is one whole message with this head; else None."""
        before, after = self._before, self._after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(after, start, start + _MAX_DIGITS + len(after))
        digits = data[start:end]
        if end < 0 or not digits.isdigit():
            return None
        body = data[end + len(after) :]
        return (digits, body) if int(digits) == len(body) else None


def cut(data: bytes, end: int) -> CutHead | None:
    """The head that ``data`` begins with, of ``end`` bytes; None if it says no length."""
    length = _LENGTH.search(data, 0, end)
    return CutHead(data[: length.start(1)], length[1], data[length.end(1) : end]) if length is not None else None
