"""The journal of finished requests: one line each, written before the caller can see the end of the answer.

The file is mapped into memory: writing a line costs no system call, and since the kernel keeps the pages, a line
outlives the process, though not a loss of power. What follows the last line is zero.
Lines: ``= LINE ["day", "key", …]`` says what a line of the account is; ``LINE SERIAL ERROR ABORTED PROMPT COMPLETION
CACHED`` is a request of it, SERIAL that of its slot or 0.
"""

import logging
import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import Account, UsageKey

FILE_BYTES: Final = 16 * 1024 * 1024
"""Size of a file. One that is half full is followed by the next one; the rest is for what comes until then."""
MAX_UNWRITTEN: Final = 64 * 1024 * 1024
"""Bytes kept in memory while the disk has no room; what comes then is kept in no journal."""
_NAME: Final = "journal-{:012d}.log"
_NUMBERS: Final = 7
_END: Final = b"\0"
_log = logging.getLogger(__name__)
_decode_key: Final = msgspec.json.Decoder(UsageKey).decode


class Journal:
    """The file that is being written."""

    def __init__(self, folder: Path, number: int, room: int = FILE_BYTES) -> None:
        """Begin a new file of ``room`` bytes. Raises OSError."""
        self._folder = folder
        self._room = room
        self._unwritten = bytearray()
        self._path: Path | None = None
        self._begin(number)

    def _begin(self, number: int) -> None:
        path = self._folder / _NAME.format(number)
        memory = _mapped(path, self._room)
        self.close()
        self._path, self._map = path, memory
        self.number = number
        """Of the file; later ones have higher ones."""
        self.size = 0
        """Bytes of the lines in the file."""

    def append(self, line: bytes) -> None:
        """Write a line, or keep it until there is room."""
        end = self.size + len(line)
        if end > self._room or self._unwritten:
            if len(self._unwritten) < MAX_UNWRITTEN:
                self._unwritten += line
            return
        self._map[self.size : end] = line
        self.size = end

    def next_if_due(self) -> bool:
        """Go on in a new file if this one fills up, and write there what had no room; whether it is a new one."""
        if self.size <= self._room // 2 and not self._unwritten:
            return False
        try:
            self._begin(self.number + 1)
        except OSError as error:
            if self._unwritten:
                _log.error("cannot write the journal of used tokens: %s", error)
            return False
        fits = self._unwritten.rfind(b"\n", 0, self._room) + 1
        self._map[:fits] = self._unwritten[:fits]
        del self._unwritten[:fits]
        self.size = fits
        return True

    @property
    def behind(self) -> bool:
        """Whether there are lines that have no room in a file yet."""
        return bool(self._unwritten)

    def close(self) -> None:
        """Close the file, and give back what it does not need."""
        if self._path is not None:
            self._map.close()
            os.truncate(self._path, self.size)
            self._path = None


def _mapped(path: Path, size: int) -> mmap.mmap:
    """A new file. Raises OSError; there is none then."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Not a hole: a disk that is full must be noticed here, not as a signal when a page is written.
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def key_line(line: int, key: UsageKey) -> bytes:
    """Says what a line of the account is."""
    return b"= %d %b\n" % (line, msgspec.json.encode(key))


@dataclass(slots=True)
class Replay:
    """What journals say."""

    account: Account = field(default_factory=dict)
    keys: dict[int, UsageKey] = field(default_factory=dict)
    """By line."""
    serials: set[int] = field(default_factory=set)
    """Of the slots whose streams are in a journal."""
    damaged: int = 0
    """Lines that cannot be read: at most the last one of a file, if the disk is sound."""

    def read(self, content: bytes, applied: int) -> None:
        """Take in a file whose first ``applied`` bytes are in the account already."""
        at = 0
        for line in content.partition(_END)[0].splitlines(keepends=True):
            at += len(line)
            try:
                self._take(line, counted=at <= applied)
            except (ValueError, KeyError, msgspec.MsgspecError):
                self.damaged += 1

    def _take(self, line: bytes, *, counted: bool) -> None:
        if not line.endswith(b"\n"):
            raise ValueError("the line is not complete")
        if line.startswith(b"= "):
            _, number, key = line.split(b" ", 2)
            self.keys[int(number)] = _decode_key(key)
            return
        numbers = [int(word) for word in line.split()]
        if len(numbers) != _NUMBERS:
            raise ValueError("the line is none of ours")
        number_of_line, serial, error, aborted, prompt, completion, cached = numbers
        self.serials.add(serial)
        if not counted:
            counts = self.account.setdefault(self.keys[number_of_line], Counts())
            counts.add(Counts(1, error, aborted, prompt, completion, cached))


def journals(folder: Path) -> list[tuple[int, Path]]:
    """The files in a folder with their numbers, the oldest first."""
    return numbered(folder, "journal-*.log")


def numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    """Files that are called ``NAME-NUMBER.END``, by their numbers."""
    return sorted((int(path.stem.partition("-")[2]), path) for path in folder.glob(pattern))


def delete(files: Iterable[tuple[int, Path]], below: int) -> None:
    """Delete the files with numbers below ``below``."""
    for number, path in files:
        if number < below:
            path.unlink(missing_ok=True)
