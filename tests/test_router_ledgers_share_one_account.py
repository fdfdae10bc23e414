"""Routers with one store have one account, in which everything stands once."""

import asyncio
from datetime import date
from pathlib import Path

import pytest

from slipway_router.adapters.ledger.ledger import Ledger
from slipway_router.adapters.ledger.shared import SharedAccount
from slipway_router.adapters.ledger.sqlite import AccountFile
from slipway_router.app.ledger import Accounting
from slipway_router.app.options import Features, LedgerOptions, StoreOptions
from slipway_router.domain.errors import ErrorCode, RequestError
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import UsageQuery
from tests.ledgers import NOW, exchange, finish
from tests.store_programs import StoreProgram
from tests.store_servers import StoreServer, store_server

pytestmark = pytest.mark.local
__all__ = ["store_server"]
ALL = UsageQuery(date(2026, 11, 1), date(2026, 11, 30), group_by=("key",))


def accounting(store_server: StoreServer, folder: Path | str = "") -> Accounting:
    features = Features(ledger=LedgerOptions(folder=str(folder)), store=StoreOptions(url=store_server.url))
    return Accounting(features, wall_clock=lambda: NOW)


def ledger_of(router: Accounting) -> Ledger:
    assert isinstance(router.ending, Ledger)
    return router.ending


@pytest.mark.parametrize("store_server", StoreProgram, indirect=True)
async def test_every_router_tells_the_sum(store_server: StoreServer, tmp_path: Path) -> None:
    first, second = accounting(store_server, tmp_path / "1"), accounting(store_server)
    for _ in range(3):
        finish(ledger_of(first), exchange(), 10, 3)
    finish(ledger_of(second), exchange(), 1, 1)
    finish(ledger_of(second), exchange("b/k"), 2, 2)
    await second.close()
    seen = await first.reader.read(ALL)
    await first.close()
    assert dict(seen.rows) == {("a/k",): Counts(4, 0, 0, 31, 10), ("b/k",): Counts(1, 0, 0, 2, 2)}
    assert seen.totals == Counts(5, 0, 0, 33, 12)


async def test_without_the_store_nothing_is_lost_and_questions_are_refused(
    store_server: StoreServer, tmp_path: Path
) -> None:
    router = accounting(store_server, tmp_path)
    store_server.kill()
    finish(ledger_of(router), exchange(), 10, 3)
    with pytest.raises(RequestError) as refused:
        await router.reader.read(ALL)
    store_server.start()
    seen = await router.reader.read(ALL)
    again = await router.reader.read(ALL)
    await router.close()
    assert refused.value.problem.code is ErrorCode.STORE_UNAVAILABLE
    assert seen == again
    assert seen.totals == Counts(1, 0, 0, 10, 3)


async def test_what_a_killed_router_had_not_sent_its_next_start_sends(
    store_server: StoreServer, tmp_path: Path
) -> None:
    alone = Accounting(Features(ledger=LedgerOptions(folder=str(tmp_path))), wall_clock=lambda: NOW)
    finish(ledger_of(alone), exchange(), 10, 3)
    await alone.close()
    for _ in range(2):
        router = accounting(store_server, tmp_path)
        seen = await router.reader.read(ALL)
        await router.close()
        assert seen.totals == Counts(1, 0, 0, 10, 3)


@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_batch_whose_answer_was_lost_is_counted_once(store_server: StoreServer, tmp_path: Path, lost: str) -> None:
    account = AccountFile(tmp_path / "account")
    shared = SharedAccount(store_server.url, "test", 1.0, "router-1")
    ledger = Ledger(None, None, lambda: NOW)
    finish(ledger, exchange(), 10, 3)
    account.apply(ledger.take()[0], None, share=True)
    batch = account.next_batch()
    assert batch is not None
    if lost == "answer":
        shared.count(batch)
    account.close()

    account = AccountFile(tmp_path / "account")
    finish(ledger, exchange(), 1, 1)
    account.apply(ledger.take()[0], None, share=True)
    while (again := account.next_batch()) is not None:
        shared.count(again)
        account.sent(again)
    seen = shared.read(ALL)
    account.close()
    shared.close()
    assert seen.totals == Counts(2, 0, 0, 11, 4)


def test_batches_are_bounded_and_none_is_left_behind(store_server: StoreServer, tmp_path: Path) -> None:
    account = AccountFile(tmp_path / "account")
    shared = SharedAccount(store_server.url, "test", 1.0, "router-1")
    ledger = Ledger(None, None, lambda: NOW)
    for number in range(1200):
        finish(ledger, exchange(f"team/{number:04d}"), 1, 1)
    account.apply(ledger.take()[0], None, share=True)
    sizes = []
    while (batch := account.next_batch()) is not None:
        sizes.append(len(batch.lines))
        shared.count(batch)
        account.sent(batch)
    seen = shared.read(UsageQuery(ALL.first, ALL.last, {"key": "team/0007"}, ("key", "day"), 5))
    everyone = shared.read(ALL).totals
    account.close()
    shared.close()
    assert sizes == [500, 500, 200]
    assert seen.rows == ((("team/0007", "2026-11-21"), Counts(1, 0, 0, 1, 1)),)
    assert everyone == Counts(1200, 0, 0, 1200, 1200)


async def test_who_leaves_while_asking_loses_nothing(tmp_path: Path) -> None:
    router = Accounting(Features(ledger=LedgerOptions(folder=str(tmp_path))), wall_clock=lambda: NOW)
    finish(ledger_of(router), exchange(), 10, 3)
    asked = asyncio.create_task(router.reader.read(ALL))
    await asyncio.sleep(0)
    asked.cancel()
    seen = await router.reader.read(ALL)
    await router.close()
    assert asked.cancelled() or asked.done()
    assert seen.totals == Counts(1, 0, 0, 10, 3)
