"""Puts the account of used tokens together: the step that has streams counted, the ending that counts, the keeper."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from slipway_router.adapters.ledger.folder import LedgerFolder, open_folder
from slipway_router.adapters.ledger.keeper import LedgerKeeper
from slipway_router.adapters.ledger.ledger import Ledger
from slipway_router.adapters.ledger.shared import SharedAccount
from slipway_router.adapters.ledger.sqlite import AccountFile
from slipway_router.app.options import Features
from slipway_router.domain.exchange import Ending, Step
from slipway_router.domain.metering.ledger import UsageReader
from slipway_router.domain.metering.stream_usage import MeterStreams


class Accounting:
    """The account of one router."""

    def __init__(self, features: Features, *, wall_clock: Callable[[], float] = time.time) -> None:
        """In the folder that the options name, or in memory.

        Raises:
            LedgerError: the folder cannot be used, or another router uses it.
            ValueError: the shared store's URL is none.
        """
        store, place = features.store, features.ledger.folder
        connect = partial(SharedAccount, store.url, store.prefix, store.timeout) if store.url else None
        self._folder: LedgerFolder | None = None
        self._closed = False
        if place:
            folder = self._folder = open_folder(Path(place), share=bool(store.url))
            self._account = folder.account
            ledger = Ledger(folder.journal, folder.slots, wall_clock)
            self._keeper = LedgerKeeper(ledger, folder.account, connect, folder.delete_journals)
        else:
            self._account = AccountFile(None)
            ledger = Ledger(None, None, wall_clock)
            self._keeper = LedgerKeeper(ledger, self._account, connect, lambda number: None)
        self.step: Final[Step] = MeterStreams(ledger)
        self.ending: Final[Ending] = ledger
        self.reader: Final[UsageReader] = self._keeper

    async def start(self) -> None:
        """Begin to bring what is counted into the account."""
        await self._keeper.start()

    async def close(self) -> None:
        """Bring everything into the account. Call it when no request runs any more."""
        if self._closed:
            return
        self._closed = True
        await self._keeper.close()
        if self._folder is not None:
            self._folder.close()
        else:
            self._account.close()
