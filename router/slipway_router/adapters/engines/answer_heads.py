"""Heads of engines' answers that come whole: head and body in one read.

An engine's heads consist of the same few lines over and over, so each line is checked and taken apart once. Most are
even the same but for the digits of ``Content-Length``: then they only need to be compared. What is not of the plain
kind, or not whole, is left to the parser.
"""

import re
from typing import Final

from slipway_router.adapters.cut_heads import CutHead, cut
from slipway_router.adapters.downstream import Passed
from slipway_router.domain.exchange import Headers
from slipway_router.domain.headers import for_caller

_MAX_LINES: Final = 512
"""Lines that are kept."""
_MAX_LINE: Final = 256
"""Bytes of a line that is read here."""
_MAX_DIGITS: Final = 10
_LESSONS: Final = 16
"""Different heads in a row after which a connection keeps none any more: its engine's heads are never the same."""
_END: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)(?<![ \t])")
_LENGTH: Final = b"content-length"
_NO_BODY: Final = frozenset({204, 304})
_PARSED: Final = frozenset({b"transfer-encoding", b"upgrade"})
"""Fields that change what comes after the head."""


class ResponseHead:
    """Status and header of an engine's answer."""

    __slots__ = ("headers", "length", "passed", "status")

    def __init__(self, status: int, headers: Headers, length: int | None, passed: Passed | None = None) -> None:
        """``passed``: what callers get of ``headers``, if that is known."""
        self.status = status
        self.headers = headers
        """Names in lower case."""
        self.length = length
        """Bytes of the body, None if the engine did not say."""
        self.passed = passed or Passed(for_caller(headers))


class _Known:
    """A head that was read."""

    __slots__ = ("_cut", "_head")

    def __init__(self, cut_head: CutHead, head: ResponseHead) -> None:
        self._cut = cut_head
        self._head = head

    def read(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """As `AnswerHeads.read`."""
        parts = self._cut.split(data)
        if parts is None:
            return None
        head, (digits, body) = self._head, parts
        fields = [(_LENGTH, digits) if field[0] == _LENGTH else field for field in head.headers]
        return ResponseHead(head.status, fields, len(body), head.passed), body


class AnswerHeads:
    """Reads heads, and keeps the lines that it has seen."""

    def __init__(self) -> None:
        self._statuses: dict[bytes, int] = {}
        self._fields: dict[bytes, tuple[bytes, bytes]] = {}

    def read(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """Head and body of ``data``, if it is one whole answer after which the connection stays; else None."""
        end = data.find(_END)
        if end < 0:
            return None
        lines = data[:end].split(b"\r\n")
        status = self._statuses.get(lines[0]) or self._learn_status(lines[0])
        if not status:
            return None
        known, fields, length = self._fields, [], -1
        for line in lines[1:]:
            field = known.get(line) or self._learn(line)
            if field is None:
                return None
            if field[0] == _LENGTH:
                if length >= 0:
                    return None
                length = int(field[1])
            fields.append(field)
        body = data[end + len(_END) :]
        return (ResponseHead(status, fields, length), body) if length == len(body) else None

    def _learn_status(self, line: bytes) -> int:
        """0: the parser shall judge the line, or know what comes after it."""
        matched = _STATUS.fullmatch(line) if len(line) <= _MAX_LINE else None
        status = int(matched[1]) if matched is not None else 0
        if not status or status in _NO_BODY:
            return 0
        if len(self._statuses) >= _MAX_LINES:
            self._statuses.clear()
        self._statuses[line] = status
        return status

    def _learn(self, line: bytes) -> tuple[bytes, bytes] | None:
        """Name and value; None if the parser shall judge the line."""
        matched = _FIELD.fullmatch(line) if len(line) <= _MAX_LINE else None
        if matched is None:
            return None
        name, value = matched[1].lower(), matched[2]
        if name in _PARSED or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        if name == _LENGTH and not (value.isdigit() and len(value) <= _MAX_DIGITS):
            return None
        if len(self._fields) >= _MAX_LINES:
            self._fields.clear()
        field = self._fields[line] = (name, value)
        return field


class HeadReader:
    """Reads the heads of one connection, and keeps the last one."""

    __slots__ = ("_heads", "_known", "_lessons")

    def __init__(self, heads: AnswerHeads) -> None:
        self._heads = heads
        self._known: _Known | None = None
        self._lessons = _LESSONS

    def read(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """As `AnswerHeads.read`."""
        if self._known is not None:
            whole = self._known.read(data)
            if whole is not None:
                self._lessons = _LESSONS
                return whole
        whole = self._heads.read(data)
        if whole is not None and self._lessons:
            self._lessons -= 1
            self._learn(data, whole[0], len(data) - len(whole[1]))
        return whole

    def _learn(self, data: bytes, head: ResponseHead, end: int) -> None:
        """Know the head of ``data``, of ``end`` bytes, from now on."""
        cut_head = cut(data, end)
        if cut_head is not None:
            self._known = _Known(cut_head, head)
