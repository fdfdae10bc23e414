"""Brings what a router counted into its account, and into the one it shares: every second, in a thread of its own."""

import asyncio
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from slipway_router.adapters.ledger.ledger import Ledger
from slipway_router.adapters.ledger.shared import STORE_FAILURES, SharedAccount
from slipway_router.adapters.ledger.sqlite import AccountFile, Position
from slipway_router.adapters.throttled_log import ThrottledLog
from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.metering.ledger import Account, UsageQuery, UsageReport, merge
from slipway_router.domain.metering.query import MAX_DAYS

FOLD_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
"""After the store did not answer."""
_MOST_BATCHES: Final = 20
"""Sent in one go, so that questions get their turn."""
_UNAVAILABLE: Final = "The account of used tokens cannot be read at the moment. Try again."
_log = logging.getLogger(__name__)
T = TypeVar("T")


class LedgerKeeper:
    """Keeps one router's account, and answers questions to it."""

    def __init__(
        self,
        ledger: Ledger,
        account: AccountFile,
        connect: Callable[[str], SharedAccount] | None,
        delete_journals: Callable[[int], None],
    ) -> None:
        """``connect`` gives the shared account to a router of that name; ``delete_journals`` deletes those below a
        number."""
        self._ledger = ledger
        self._account = account
        self._delete_journals = delete_journals
        self._throttled_reads = ThrottledLog(_log)
        self._throttled_folds = ThrottledLog(_log)
        self._waiting: Account = {}
        """Counts that the file did not take yet."""
        self._journal = -1
        """The one that is being written; earlier ones are deleted."""
        self._retry_at = 0.0
        self._forgotten: date | None = None
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._task: asyncio.Task[None] | None = None
        self._shared = connect(self._name()) if connect is not None else None

    def _name(self) -> str:
        name = self._account.fact("router")
        if name is None:
            name = secrets.token_hex(8)
            self._account.remember("router", name)
        return name

    async def start(self) -> None:
        """Begin to fold."""
        self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            try:
                await self._in_thread(partial(self._fold, *self._ledger.take()))
            except Exception:
                _log.exception("the account of used tokens is behind")

    async def read(self, query: UsageQuery) -> UsageReport:
        """Everything that ended until now. Raises as `UsageReader` says."""
        try:
            return await self._in_thread(partial(self._read, *self._ledger.take(), query))
        except (sqlite3.Error, *STORE_FAILURES) as error:
            self._throttled_reads.tell(logging.WARNING, "cannot read the account of used tokens: %s", error)
            raise fail(ErrorCode.STORE_UNAVAILABLE, _UNAVAILABLE, retry_after=1) from None

    async def close(self) -> None:
        """Bring everything into the account. Call it when no request runs any more."""
        if self._task is not None:
            self._task.cancel()
        try:
            await self._in_thread(partial(self._fold, *self._ledger.take()))
        except sqlite3.Error:
            _log.exception("the account of used tokens is behind; its journal is kept")
        if self._shared is not None:
            await self._in_thread(self._shared.close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # Shielded: what was taken from the ledger must come into the account, even if whoever asked has left.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    # In the thread.

    def _fold(self, more: Account, position: Position | None) -> None:
        self._apply(more, position)
        if self._shared is not None and time.monotonic() >= self._retry_at:
            try:
                self._send(self._shared)
            except STORE_FAILURES as error:
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                self._throttled_folds.tell(logging.WARNING, "the shared account of used tokens is behind: %s", error)

    def _read(self, more: Account, position: Position | None, query: UsageQuery) -> UsageReport:
        self._apply(more, position)
        if self._shared is None:
            return self._account.read(query)
        self._send(self._shared)
        return self._shared.read(query)

    def _apply(self, more: Account, position: Position | None) -> None:
        merge(self._waiting, more)
        if not self._waiting:
            return
        self._account.apply(self._waiting, position, share=self._shared is not None)
        self._waiting = {}
        if position is not None and position.journal != self._journal:
            self._journal = position.journal
            self._delete_journals(position.journal)
        today = datetime.now(UTC).date()
        if self._forgotten != today:
            self._forgotten = today
            self._account.forget((today - timedelta(days=MAX_DAYS)).isoformat())

    def _send(self, shared: SharedAccount) -> None:
        for _ in range(_MOST_BATCHES):
            batch = self._account.next_batch()
            if batch is None:
                return
            shared.count(batch)
            self._account.sent(batch)
