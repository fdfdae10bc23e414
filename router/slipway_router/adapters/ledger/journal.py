"""The journal of finished requests: one line each, written before the caller can see the end of the answer.

A line has been given to the kernel when `Journal.append` returns, so it outlives the process, not the machine's power.
Lines: ``= LINE ["day", "key", …]`` says what a line of the account is; ``LINE SERIAL ERROR ABORTED PROMPT COMPLETION
CACHED`` is a request of it, SERIAL that of its slot or 0.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from slipway_router.domain.metering.ledger import Account, Counts, UsageKey

MAX_UNWRITTEN: Final = 64 * 1024 * 1024
"""Bytes kept in memory while the disk takes none; what comes then is kept in no journal."""
_NAME: Final = "journal-{:012d}.log"
_NUMBERS: Final = 7
_log = logging.getLogger(__name__)
_decode_key: Final = msgspec.json.Decoder(UsageKey).decode


class Journal:
    """The file that is being written."""

    def __init__(self, folder: Path, number: int) -> None:
        """Begin a new file. Raises OSError."""
        self._folder = folder
        self._unwritten = bytearray()
        self.descriptor = -1
        self.begin(number)

    def begin(self, number: int) -> None:
        """Go on in a new file. Raises OSError; the old one stays then."""
        path = self._folder / _NAME.format(number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = descriptor
        self.number = number
        """Of the file; later ones have higher ones."""
        self.size = 0
        """Bytes of the file."""

    def append(self, line: bytes) -> None:
        """Write a line, or keep it until the disk takes it."""
        if self._unwritten:
            self._keep(line)
            return
        try:
            written = os.write(self.descriptor, line)
        except OSError as error:
            _log.error("cannot write the journal of used tokens: %s", error)
            written = 0
        self.size += written
        if written < len(line):
            self._unwritten += line[written:]

    def _keep(self, line: bytes) -> None:
        if len(self._unwritten) < MAX_UNWRITTEN:
            self._unwritten += line

    def caught_up(self) -> bool:
        """Try again to write what the disk has not taken; whether nothing is left of it."""
        if self._unwritten:
            try:
                written = os.write(self.descriptor, self._unwritten)
            except OSError:
                return False
            self.size += written
            del self._unwritten[:written]
        return not self._unwritten

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)
        self.descriptor = -1


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
        for line in content.splitlines(keepends=True):
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
