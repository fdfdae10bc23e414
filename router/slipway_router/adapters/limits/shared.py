"""Limits counted in a server that several routers share: exact for all of them together, by the server's clock."""

import asyncio
import itertools
import os
from collections import defaultdict
from collections.abc import Awaitable
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from math import ceil
from typing import Any, Final
from urllib.parse import quote

from slipway_router.adapters.limits.store import Script, ScriptStore, StoreWatcher
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.limits.verdict import LimitKind, Refusal, Verdict

_RENEWALS_PER_LEASE: Final = 3
_LEASES_PER_CALL: Final = 500
_LONGEST_NAME: Final = 200
_CALLERS_REMEMBERED: Final = 4096
"""Whose keys are kept, worked out."""
SERVER_CLOCK: Final = "local function now() local t = redis.call('TIME') return tonumber(t[1]), tonumber(t[2]) end\n"
"""Lua: what the time is. Routers' own clocks play no part."""


def _source(name: str) -> str:
    return (files("slipway_router.adapters.limits") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")


class SharedLimiter:
    """Counts in a Valkey or Redis server, with one round trip for each request."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        timeout: float,
        watcher: StoreWatcher,
        lease_seconds: float = 30.0,
        clock: str = SERVER_CLOCK,
    ) -> None:
        """``prefix`` begins every key; ``timeout`` (seconds) is that of a round trip; ``clock`` is Lua code.

        ``lease_seconds`` is how long the place of a running request is kept for a router that says nothing more of it.

        Raises:
            ValueError: ``url`` is no address of a server.
        """
        self._reserve = Script(clock + _source("reserve"))
        self._settle = Script(_source("settle"))
        self._renew = Script(clock + _source("renew"))
        self._store = ScriptStore(url, timeout, (self._reserve, self._settle, self._renew), watcher)
        self._store.on_return = self.renew
        self._prefix = prefix
        self._lease_seconds = ceil(lease_seconds)
        self.keys_of = lru_cache(_CALLERS_REMEMBERED)(self._keys_of)
        """The keys of a caller's bucket."""
        self._lease_prefix = os.urandom(6).hex()
        self._numbers = itertools.count(1)
        self._leases: dict[str, str] = {}
        """Key of the set of each lease that is held."""
        self._renewer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Keep leases alive from now on."""
        self._renewer = asyncio.create_task(self._keep_renewing())

    async def close(self) -> None:
        """Tell the server what it does not know yet, and leave it."""
        if self._renewer is not None:
            self._renewer.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewer
        await self._store.close()

    async def flush(self) -> None:
        """Wait until the server knows of everything that was settled."""
        await self._store.flush()

    def reserve(self, caller: Caller, tokens: int) -> Awaitable[Verdict]:
        """As `Limiter.reserve`."""
        return self._ask(SharedReservation(self, caller, tokens))

    async def _ask(self, reservation: "SharedReservation") -> Verdict:
        limits = reservation.limits
        bounds = (
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.tokens_per_day,
            limits.concurrent_requests,
        )
        if limits.concurrent_requests is not None:
            reservation.lease = f"{self._lease_prefix}{next(self._numbers):x}"
        arguments = ("" if bound is None else bound for bound in bounds)
        asked = (*arguments, reservation.tokens, reservation.lease, self._lease_seconds)
        answer = self._store.ask(self._reserve, reservation.keys, asked, reservation.abandon)
        try:
            return reservation.take(await answer)
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                reservation.abandon(answer.result())  # It came in the same turn.
            raise

    def _keys_of(self, bucket: str) -> tuple[str, str, str, str]:
        """The keys of a caller: of requests, tokens, tokens of a day (without its number) and running requests.

        What is in braces decides where a cluster keeps a key, so that all of a caller's are in one place.
        """
        name = quote(bucket, safe="/:@.")
        if len(name) > _LONGEST_NAME:
            name = sha256(bucket.encode()).hexdigest()
        begin = f"{self._prefix}:limits:{{{name}}}"
        return f"{begin}:requests", f"{begin}:tokens", f"{begin}:day:", f"{begin}:running"

    def hold(self, lease: str, key: str) -> None:
        """Keep a lease alive."""
        self._leases[lease] = key

    def settle(self, reservation: "SharedReservation", minute: int, today: int) -> None:
        """Send what a request has used more (or fewer) than reserved, and give its place back."""
        if reservation.lease:
            self._leases.pop(reservation.lease, None)
        if reservation.lease or minute or today:
            _, tokens, day, running = reservation.keys
            keys = (tokens, f"{day}{reservation.day}", running)
            self._store.tell(self._settle, keys, (reservation.second, minute, today, reservation.lease))

    def renew(self) -> None:
        """Let all leases last longer. What is told in order reaches the server so: no lease outlives its end."""
        by_key: dict[str, list[str]] = defaultdict(list)
        for lease, key in self._leases.items():
            by_key[key].append(lease)
        for key, leases in by_key.items():
            for at in range(0, len(leases), _LEASES_PER_CALL):
                self._store.tell(self._renew, (key,), (self._lease_seconds, *leases[at : at + _LEASES_PER_CALL]))

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / _RENEWALS_PER_LEASE)
            self.renew()


class SharedReservation:
    """What an admitted request holds on the server."""

    __slots__ = ("_limiter", "_minute", "_today", "day", "keys", "lease", "limits", "second", "tokens")

    def __init__(self, limiter: SharedLimiter, caller: Caller, tokens: int) -> None:
        self._limiter = limiter
        self.keys = limiter.keys_of(caller.bucket)
        self.limits = caller.limits
        self.tokens = tokens
        self.lease = ""
        self.second = self.day = self._minute = self._today = 0

    def take(self, answer: list[Any]) -> Verdict:
        """The server's answer as a verdict."""
        limit, wait, requests, requests_reset, tokens, tokens_reset, today, today_reset, second, day = answer
        refusal = Refusal(LimitKind(limit.decode()), wait) if limit else None
        if refusal is None:
            self.second, self.day = second, day
            self._minute = min(self.tokens, self.limits.tokens_per_minute or 0)
            self._today = min(self.tokens, self.limits.tokens_per_day or 0)
            if self.lease:
                self._limiter.hold(self.lease, self.keys[-1])
        return Verdict(
            refusal,
            self if refusal is None and (self.lease or self.tokens) else None,
            None if requests < 0 else requests,
            requests_reset,
            None if tokens < 0 else tokens,
            tokens_reset,
            None if today < 0 else today,
            today_reset,
        )

    def abandon(self, answer: list[Any]) -> None:
        """The caller left while the server was asked."""
        if self.take(answer).refusal is None:
            self.settle(0)

    def settle(self, tokens: int | None) -> None:
        """As `Reservation.settle`."""
        minute = today = 0
        if tokens is not None:
            minute = tokens - self._minute if self.limits.tokens_per_minute is not None else 0
            today = tokens - self._today if self.limits.tokens_per_day is not None else 0
        self._limiter.settle(self, minute, today)
