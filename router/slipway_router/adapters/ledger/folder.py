"""The folder in which a router keeps its account: one process at a time, and what the last one left behind."""

import fcntl
import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_router.adapters.ledger.journal import Journal, Replay, delete, journals, numbered
from slipway_router.adapters.ledger.slots import SlotFile, left_over
from slipway_router.adapters.ledger.sqlite import AccountFile, Position
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import merge
from slipway_router.domain.metering.usage import usage_in

_ACCOUNT: Final = "usage.sqlite3"
_LOCK: Final = "lock"
_RUNNING: Final = "running-*.slots"
_log = logging.getLogger(__name__)


class LedgerError(OSError):
    """The account cannot be kept in the folder; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class LedgerFolder:
    """An open folder."""

    path: Path
    account: AccountFile
    journal: Journal
    slots: SlotFile
    lock: int

    def delete_journals(self, below: int) -> None:
        """Delete journals that are in the account."""
        delete(journals(self.path), below)

    def close(self) -> None:
        """Close every file. What is in them stays."""
        self.journal.close()
        self.slots.close()
        self.account.close()
        os.close(self.lock)


def open_folder(path: Path, *, share: bool) -> LedgerFolder:
    """Take a folder, and bring its account up to date with what the last process left there.

    Raises:
        LedgerError: another process has it, or it cannot be used.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"the account of used tokens cannot be kept in {path}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        account = AccountFile(path / _ACCOUNT)
        if share:
            account.share_all()
        number = _recover(path, account, share=share)
        journal, slots = Journal(path, number), SlotFile(path / f"running-{number:012d}.slots")
    except BlockingIOError:
        os.close(lock)
        message = f"the account of used tokens in {path} is kept by another process; give every router its own folder"
        raise LedgerError(message) from None
    except (OSError, sqlite3.Error, ValueError) as error:
        os.close(lock)
        raise LedgerError(f"the account of used tokens cannot be kept in {path}: {error}") from None
    return LedgerFolder(path, account, journal, slots, lock)


def _recover(path: Path, account: AccountFile, *, share: bool) -> int:
    """Count what is in journals and slots but not in the account, once; returns the number of the next journal.

    The account remembers in one transaction with the counts that all files before that number are counted, so that it
    does not matter at which moment this is interrupted.
    """
    position, first_journal = account.position, int(account.fact("first_journal") or 0)
    files, slot_files = journals(path), numbered(path, _RUNNING)
    replay = Replay()
    for number, file in files:
        if number >= position.journal:
            replay.read(file.read_bytes(), position.size if number == position.journal else 0)
    streams = 0
    for number, file in slot_files:
        if number >= first_journal:
            streams += _count_streams(file, replay)
    if replay.damaged:
        _log.warning("the journal of used tokens has %d lines that cannot be read", replay.damaged)
    if streams:
        _log.warning("counted %d streams that were running when the last router ended", streams)
    following = max([position.journal, *(number for number, _ in files), *(number for number, _ in slot_files)]) + 1
    account.apply(replay.account, Position(following, 0), share=share, first_journal=following)
    delete(files, following)
    delete(slot_files, following)
    return following


def _count_streams(file: Path, replay: Replay) -> int:
    """Count streams that ended with their router; one that has a line in a journal had ended before."""
    found = 0
    for left in left_over(file):
        key = replay.keys.get(left.line)
        if left.serial in replay.serials or key is None:
            continue
        usage = usage_in(left.counted)
        counts = Counts(requests=1, aborted=1)
        if usage is not None:
            counts.prompt_tokens = usage.prompt_tokens
            counts.completion_tokens = usage.completion_tokens
            counts.cached_tokens = usage.cached_tokens
        merge(replay.account, {key: counts})
        found += 1
    return found
