"""The account that several routers share, in Valkey or Redis: a hash of counters for each day.

Batches have numbers; the store remembers the last one of each router in the same step in which it counts it. So a batch
that is sent again, since the answer to it was lost, is not counted twice. Blocking: for a thread of its own.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import msgspec
import valkey
from valkey.exceptions import ValkeyError

from slipway_router.adapters.ledger.sqlite import Batch
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import COUNTS, Account, UsageKey, UsageQuery, UsageReport, report
from slipway_router.domain.metering.query import MAX_DAYS

STORE_FAILURES: Final = (ValkeyError, OSError)
_DAY_SECONDS: Final = 86400
_DAYS_PER_TRIP: Final = 20
_COUNT_BATCH: Final = """
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
for i = 3, #ARGV, 3 do redis.call('HINCRBY', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]) end
for i = 2, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[2]) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
"""KEYS: the router's last batch, then days. ARGV: the batch's number, seconds to keep, then (index of the day, field,
amount) for each counter. Gives 0 if the batch has been counted before."""


class SharedAccount:
    """The account of all routers with the same store and prefix."""

    def __init__(self, url: str, prefix: str, timeout: float, router: str) -> None:
        """``router`` is a name that no other router has.

        Raises:
            ValueError: the URL is none of a store.
        """
        self._client: Any = valkey.Valkey.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        # In a cluster, what stands in braces brings all keys to one server, as a script needs it.
        self._prefix = f"{{{prefix}:usage}}"
        self._last_batch = f"{self._prefix}:batch:{router}"

    def count(self, batch: Batch) -> None:
        """Count a batch, unless it was counted before. Raises `STORE_FAILURES`."""
        days = sorted({key.day for key, _ in batch.lines})
        places = {day: place for place, day in enumerate(days, start=2)}
        arguments: list[str | int | bytes] = [batch.sequence, (MAX_DAYS + 1) * _DAY_SECONDS]
        for key, values in batch.lines:
            for name, value in zip(COUNTS, values, strict=True):
                if value:
                    arguments += (places[key.day], msgspec.json.encode((*key[1:], name)), value)
        keys = [self._last_batch, *map(self._day, days)]
        self._client.eval(_COUNT_BATCH, len(keys), *keys, *arguments)

    def read(self, query: UsageQuery) -> UsageReport:
        """The answer to a question. Raises `STORE_FAILURES`."""
        account: Account = {}
        days = [str(query.first + timedelta(days=n)) for n in range((query.last - query.first).days + 1)]
        for start in range(0, len(days), _DAYS_PER_TRIP):
            some = days[start : start + _DAYS_PER_TRIP]
            pipeline = self._client.pipeline(transaction=False)
            for day in some:
                pipeline.hgetall(self._day(day))
            for day, counters in zip(some, pipeline.execute(), strict=True):
                for key, name, value in _counters(day, counters):
                    counts = account.setdefault(key, Counts())
                    setattr(counts, name, getattr(counts, name) + value)
        return report(account.items(), query)

    def _day(self, day: str) -> str:
        return f"{self._prefix}:{day}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _counters(day: str, counters: dict[bytes, bytes]) -> Iterator[tuple[UsageKey, str, int]]:
    for field, value in counters.items():
        key, owner, model, name, operation, count = msgspec.json.decode(field, type=tuple[str, str, str, str, str, str])
        if count in COUNTS:  # Other versions of the router may count more.
            yield UsageKey(day, key, owner, model, name, operation), count, int(value)
