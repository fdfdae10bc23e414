"""The account in a SQLite file or in memory. Belongs to one thread, except for how it is made."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import COUNTS, DIMENSIONS, Account, UsageKey, UsageQuery, UsageReport

ROWS_PER_BATCH: Final = 500
_Row = tuple[str | int, ...]
_COLUMNS: Final = (*DIMENSIONS, *COUNTS)
_TABLE: Final = (
    f"({', '.join(f'{name} TEXT NOT NULL' for name in DIMENSIONS)}, "
    f"{', '.join(f'{name} INTEGER NOT NULL' for name in COUNTS)}, "
    f"PRIMARY KEY ({', '.join(DIMENSIONS)})) WITHOUT ROWID"
)
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS usage {_TABLE};
CREATE TABLE IF NOT EXISTS unsent {_TABLE};
CREATE TABLE IF NOT EXISTS batch (sequence INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_SUMS: Final = ", ".join(f"COALESCE(SUM({name}), 0)" for name in COUNTS)


@dataclass(frozen=True, slots=True)
class Position:
    """What of the journals is in the account: all files before one, and so much of that."""

    journal: int
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines for the shared store that must be counted there exactly once."""

    sequence: int
    lines: tuple[tuple[UsageKey, tuple[int, ...]], ...]


class AccountFile:
    """The account of one router."""

    def __init__(self, path: Path | None) -> None:
        """Open or make it; None: in memory.

        Raises:
            sqlite3.Error: the file cannot be used.
        """
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def fact(self, name: str) -> str | None:
        """A remembered fact."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, name: str, value: str) -> None:
        """Remember a fact."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @property
    def position(self) -> Position:
        """What of the journals is in here."""
        journal, _, size = (self.fact("position") or "0 0").partition(" ")
        return Position(int(journal), int(size))

    def apply(self, more: Account, position: Position | None, *, share: bool, first_journal: int | None = None) -> None:
        """Add ``more`` and note the position, both or neither. With ``share`` it is to be sent, too."""
        rows: list[_Row] = [(*key, *counts.values) for key, counts in more.items()]
        with _transaction(self._db):
            self._add("usage", rows)
            if share:
                self._add("unsent", rows)
            if position is not None:
                self.remember("position", f"{position.journal} {position.size}")
            if first_journal is not None:
                self.remember("first_journal", str(first_journal))

    def _add(self, table: str, rows: Iterable[_Row]) -> None:
        places = ", ".join("?" * len(_COLUMNS))
        sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)
        self._db.executemany(
            f"INSERT INTO {table} VALUES ({places}) ON CONFLICT ({', '.join(DIMENSIONS)}) DO UPDATE SET {sums}", rows
        )

    def forget(self, before: str) -> None:
        """Delete what is older than a day."""
        self._db.execute("DELETE FROM usage WHERE day < ?", (before,))

    def read(self, query: UsageQuery) -> UsageReport:
        """The answer to a question."""
        condition, values = _condition(query)
        totals = self._db.execute(f"SELECT {_SUMS} FROM usage WHERE {condition}", values).fetchone()
        if not query.group_by:
            found = [((), totals)] if totals[0] else []
            return UsageReport(tuple((name, Counts(*numbers)) for name, numbers in found), Counts(*totals))
        names = ", ".join(query.group_by)
        rows = self._db.execute(
            f"SELECT {names}, {_SUMS} FROM usage WHERE {condition} GROUP BY {names} ORDER BY {names} LIMIT ? OFFSET ?",
            (*values, query.limit + 1, query.offset),
        ).fetchall()
        width = len(query.group_by)
        lines = tuple((tuple(row[:width]), Counts(*row[width:])) for row in rows[: query.limit])
        return UsageReport(lines, Counts(*totals), len(rows) > query.limit)

    # What goes to a shared store.

    def share_all(self) -> None:
        """Have everything sent that was counted before there was a shared store. Does so once."""
        if self.fact("shared") is None:
            with _transaction(self._db):
                self._db.execute("DELETE FROM unsent")
                self._db.execute("INSERT INTO unsent SELECT * FROM usage")
                self.remember("shared", "yes")

    def next_batch(self) -> Batch | None:
        """What is to be sent next: the same until `sent` is called."""
        row = self._db.execute("SELECT sequence, content FROM batch ORDER BY sequence LIMIT 1").fetchone()
        if row is None:
            row = self._make_batch()
        if row is None:
            return None
        lines = msgspec.json.decode(row[1], type=tuple[tuple[UsageKey, tuple[int, ...]], ...])
        return Batch(row[0], lines)

    def _make_batch(self) -> tuple[int, bytes] | None:
        rows = self._db.execute("SELECT * FROM unsent LIMIT ?", (ROWS_PER_BATCH,)).fetchall()
        if not rows:
            return None
        width = len(DIMENSIONS)
        content = msgspec.json.encode([(row[:width], row[width:]) for row in rows])
        sequence = int(self.fact("sequence") or 0) + 1
        same_key = " AND ".join(f"{name} = ?" for name in DIMENSIONS)
        with _transaction(self._db):
            self._db.execute("INSERT INTO batch VALUES (?, ?)", (sequence, content))
            self._db.executemany(f"DELETE FROM unsent WHERE {same_key}", [row[:width] for row in rows])
            self.remember("sequence", str(sequence))
        return sequence, content

    def sent(self, batch: Batch) -> None:
        """The shared store has counted a batch."""
        self._db.execute("DELETE FROM batch WHERE sequence = ?", (batch.sequence,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _condition(query: UsageQuery) -> tuple[str, list[str]]:
    parts, values = ["day BETWEEN ? AND ?"], [query.first.isoformat(), query.last.isoformat()]
    for name, value in query.where.items():
        if name == "model":
            parts.append("(model = ? OR name = ?)")
            values += (value, value)
        else:
            parts.append(f"{DIMENSIONS[DIMENSIONS.index(name)]} = ?")
            values.append(value)
    return " AND ".join(parts), values


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
