"""The counts of running streams, in a file that is mapped into memory: they outlive a ``kill -9`` of the router.

Writing there is writing to memory; the kernel keeps the pages. A slot is used by one stream at a time and has two
sides: the new count goes to the side that is not valid, then one byte says that it is. So there is a whole count at any
instant at which the process may end.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SLOTS: Final = 8192
"""Streams that can run at once with their counts safe; those of further ones are safe once they have ended."""
SLOT_BYTES: Final = 512
_HEAD: Final = struct.Struct("<QQB")
"""Serial number (0: free), line of the account, valid side."""
_SERIAL: Final = struct.Struct("<Q")
_VALID_AT: Final = 16
_SIDES_AT: Final = 32
_SIDE_BYTES: Final = (SLOT_BYTES - _SIDES_AT) // 2


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A stream that was running when its router ended."""

    serial: int
    line: int
    counted: bytes
    """The engine's latest words on what it had counted."""


class MappedSlot:
    """Where one running stream keeps its count."""

    __slots__ = ("_at", "_map", "_owner", "_valid", "serial")

    def __init__(self, owner: "SlotFile", memory: mmap.mmap, at: int, serial: int) -> None:
        self._owner = owner
        self._map = memory
        self._at = at
        self._valid = 0
        self.serial = serial
        """No other stream of this process has it."""

    def note(self, counted: bytes) -> None:
        """Keep the latest count; the end of a long one is cut off."""
        side = 1 - self._valid
        start = self._at + _SIDES_AT + side * _SIDE_BYTES
        text = counted[: _SIDE_BYTES - 1] + b"\0"
        self._map[start : start + len(text)] = text
        self._map[self._at + _VALID_AT] = self._valid = side

    def close(self) -> None:
        """The stream has ended, and its count is kept elsewhere."""
        _SERIAL.pack_into(self._map, self._at, 0)
        self._owner.free.append(self._at)


class SlotFile:
    """All slots of a process."""

    def __init__(self, path: Path) -> None:
        """Make the file.

        Raises:
            OSError: there is no room for it, or it exists.
        """
        size = SLOTS * SLOT_BYTES
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Not a hole: a disk that is full must be noticed here, not as a signal when a page is written.
            os.posix_fallocate(descriptor, 0, size)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self.free = list(range(size - SLOT_BYTES, -1, -SLOT_BYTES))
        """Where free slots begin; those used last are used next, so that few pages are touched."""
        self._serial = 0

    def take(self, line: int) -> MappedSlot | None:
        """A slot for a stream that belongs to a line of the account; None if all are in use."""
        if not self.free:
            return None
        at = self.free.pop()
        self._serial += 1
        self._map[at + _SIDES_AT] = 0
        _HEAD.pack_into(self._map, at, 0, line, 0)
        _SERIAL.pack_into(self._map, at, self._serial)
        return MappedSlot(self, self._map, at, self._serial)

    def close(self) -> None:
        """Let go of the memory."""
        self._map.close()


def left_over(path: Path) -> list[LeftOver]:
    """The streams that were running when the process that had this file ended."""
    return list(_in_use(path.read_bytes()))


def _in_use(content: bytes) -> Iterator[LeftOver]:
    for at in range(0, len(content) - SLOT_BYTES + 1, SLOT_BYTES):
        serial, line, valid = _HEAD.unpack_from(content, at)
        if serial:
            start = at + _SIDES_AT + (valid & 1) * _SIDE_BYTES
            yield LeftOver(serial, line, content[start : start + _SIDE_BYTES].partition(b"\0")[0])
