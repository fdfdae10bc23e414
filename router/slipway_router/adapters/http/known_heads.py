"""Heads of requests that a connection has seen before.

A client that keeps its connection sends the same head with every request, but for the digits of ``Content-Length``.
So the parser reads and checks it once; a later request whose head has the same bytes means the same, and only needs
to be compared. Whatever differs in a byte goes to the parser.
"""

from collections.abc import Sequence
from typing import Final

from slipway_router.adapters.cut_heads import CutHead, cut

_MAX_HEAD: Final = 4096
"""Bytes of a head that is kept with its connection."""
_LESSONS: Final = 4
"""Different heads in a row after which a connection keeps none any more: its client's heads are never the same."""
_END: Final = b"\r\n\r\n"
_NOT_KEPT: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
"""Fields that change what comes after the head, or what becomes of the connection."""


class KnownHead:
    """A head that was parsed."""

    __slots__ = ("_cut", "fields", "method", "path")

    def __init__(self, cut_head: CutHead, method: bytes, path: bytes, fields: dict[bytes, bytes]) -> None:
        self._cut = cut_head
        self.method = method
        self.path = path
        self.fields = fields
        """By name, in lower case; ``content-length`` as it was in the request recalled last."""

    def body_of(self, data: bytes) -> bytes | None:
        """The body, if ``data`` is one whole request with this head; else None."""
        parts = self._cut.split(data)
        if parts is None:
            return None
        self.fields[b"content-length"] = parts[0]
        return parts[1]


class HeadMemory:
    """What a connection remembers: the head that was parsed last."""

    __slots__ = ("_lessons", "known")

    def __init__(self) -> None:
        self.known: KnownHead | None = None
        self._lessons = _LESSONS

    def body_of(self, data: bytes) -> bytes | None:
        """The body, if ``data`` is one whole request with the known head; else None."""
        body = self.known.body_of(data) if self.known is not None else None
        if body is not None:
            self._lessons = _LESSONS
        return body

    def learn(
        self, data: bytes, method: bytes, path: bytes, headers: Sequence[tuple[bytes, bytes]], body_size: int
    ) -> None:
        """Know the head of ``data`` from now on, if it is of the plain kind.

        ``data`` is one read that was parsed as exactly one HTTP/1.1 request with these ``headers`` and a body of
        ``body_size`` bytes, after which the connection stays.
        """
        if not self._lessons:
            return
        self._lessons -= 1
        self.known = None
        end = len(data) - body_size
        fields = dict(headers)
        if end > _MAX_HEAD or data.find(_END) + len(_END) != end:
            return
        if len(fields) != len(headers) or not _NOT_KEPT.isdisjoint(fields):
            return
        head = cut(data, end)
        if head is not None and fields.get(b"content-length") == head.digits:
            self.known = KnownHead(head, method, path, fields)
