"""Sessions in an SQLite file, or in memory."""

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from slipway_router.adapters.throttled_log import ThrottledLog
from slipway_router.domain.api.sessions import Message, Messages, Session, store_unavailable

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, model TEXT NOT NULL,
    created REAL NOT NULL, updated REAL NOT NULL, messages TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS sessions_by_use ON sessions (updated);
CREATE INDEX IF NOT EXISTS sessions_by_owner ON sessions (owner, updated);
"""
_BUSY_SECONDS: Final = 5.0
_FORGET: Final = """
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions ORDER BY updated DESC, rowid DESC LIMIT -1 OFFSET ?
)
"""
_log = logging.getLogger(__name__)
T = TypeVar("T")


def messages_json(messages: Messages) -> str:
    """Messages as stores keep them."""
    return json.dumps([[message.role, message.content] for message in messages], ensure_ascii=False)


def messages_of(text: str) -> Messages:
    """The reverse."""
    return tuple(Message(role, content) for role, content in json.loads(text))


def session_of(fields: Sequence[Any], messages: Messages, count: int | None = None) -> Session:
    """A session from its fields in their order, ``count`` of its messages being left out."""
    name, owner, created, updated, title, model = fields
    return Session(name, owner, created, updated, title, model, messages, len(messages) if count is None else count)


class SqliteSessions:
    """A `SessionStore`. All work is done in one thread, so that a slow disk holds nobody up.

    Raises:
        OSError: the file cannot be opened, or is no database.
    """

    def __init__(self, file: str, max_sessions: int) -> None:
        self._most = max_sessions
        self._throttled = ThrottledLog(_log)
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        try:
            self._database = _open(file)
        except sqlite3.Error as error:
            raise OSError(f"sessions cannot be kept in {file}: {error}") from error

    async def add(self, session: Session) -> None:
        """As `SessionStore` says."""

        def work(database: sqlite3.Connection) -> None:
            row = (session.id, session.owner, session.title, session.model, session.created, session.updated)
            database.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, messages_json(session.messages))
            )
            database.execute(_FORGET, (self._most,))

        await self._do(work)

    async def of(self, owner: str, most: int) -> list[Session]:
        """As `SessionStore` says."""
        query = (
            "SELECT id, owner, created, updated, title, model, json_array_length(messages) FROM sessions "
            "WHERE owner = ? ORDER BY updated DESC, rowid DESC LIMIT ?"
        )
        rows = await self._do(lambda database: database.execute(query, (owner, most)).fetchall())
        return [session_of(row[:-1], (), row[-1]) for row in rows]

    async def get(self, owner: str, session_id: str) -> Session | None:
        """As `SessionStore` says."""
        return await self._do(lambda database: _get(database, owner, session_id))

    async def change(
        self, owner: str, session_id: str, change: Callable[[Messages], Messages], now: float
    ) -> Session | None:
        """As `SessionStore` says."""

        def work(database: sqlite3.Connection) -> Session | None:
            session = _get(database, owner, session_id)
            if session is None:
                return None
            changed = session.changed(change(session.messages), now)
            row = (messages_json(changed.messages), now, session_id)
            database.execute("UPDATE sessions SET messages = ?, updated = ? WHERE id = ?", row)
            return changed

        return await self._do(work)

    async def delete(self, owner: str, session_id: str) -> bool:
        """As `SessionStore` says."""
        query = "DELETE FROM sessions WHERE id = ? AND owner = ?"
        return await self._do(lambda database: database.execute(query, (session_id, owner)).rowcount > 0)

    async def close(self) -> None:
        """As `SessionStore` says."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._database.close)
            self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def within_a_transaction() -> T:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                return work(self._database)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, within_a_transaction)
        except sqlite3.Error as error:
            self._throttled.tell(logging.ERROR, "sessions: %s", error)
            raise store_unavailable() from error


def _open(file: str) -> sqlite3.Connection:
    if file:
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # Chats are nobody else's business.
    database = sqlite3.connect(file or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_SCHEMA)
    return database


def _get(database: sqlite3.Connection, owner: str, session_id: str) -> Session | None:
    query = "SELECT id, owner, created, updated, title, model, messages FROM sessions WHERE id = ? AND owner = ?"
    row = database.execute(query, (session_id, owner)).fetchone()
    if row is None:
        return None
    messages = messages_of(row[-1])
    return session_of(row[:-1], messages)
