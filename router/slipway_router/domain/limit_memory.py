"""Limits counted in this process: exact for one router."""

from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Final

from slipway_router.domain.keys import Caller, Limits
from slipway_router.domain.limit_verdict import COUNTED, DAY, MINUTE, PLACE_RETRY, LimitKind, Refusal, Verdict, longest

MAX_ACCOUNTS: Final = 100_000
"""Callers whose use is remembered; of more, those who have been idle for longest are forgotten."""

Entry = list[int]
"""A second and what was used in it."""


class SlidingMinute:
    """What was used in the current second and the 60 before it."""

    __slots__ = ("_entries", "used")

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self.used = 0

    def move_to(self, second: int) -> int:
        """Forget what is too old by now; returns what is in use."""
        entries = self._entries
        while entries and entries[0][0] < second - MINUTE:
            self.used -= entries.popleft()[1]
        return self.used

    def add(self, second: int, amount: int) -> Entry:
        """Count ``amount``; returns its entry, for `correct`."""
        self.used += amount
        entries = self._entries
        if entries and entries[-1][0] >= second:
            entry = entries[-1]
            entry[1] += amount
        else:
            entry = [second, amount]
            entries.append(entry)
        return entry

    def correct(self, entry: Entry, difference: int) -> None:
        """Change what was counted, unless it is forgotten already."""
        if self._entries and self._entries[0][0] <= entry[0]:
            entry[1] += difference
            self.used += difference

    def wait(self, now: float, at_most: int) -> int:
        """Seconds until no more than ``at_most`` is in use."""
        left = self.used
        for second, amount in self._entries:
            left -= amount
            if left <= at_most:
                return ceil(second + COUNTED - now)
        return MINUTE

    def reset(self, now: float) -> int:
        """Seconds until nothing is in use."""
        return ceil(self._entries[-1][0] + COUNTED - now) if self._entries else 0


class Account:
    """What one caller uses."""

    __slots__ = ("_day", "_requests", "_running", "_tokens", "_tokens_today")

    def __init__(self) -> None:
        self._requests = SlidingMinute()
        self._tokens = SlidingMinute()
        self._day = 0
        self._tokens_today = 0
        self._running = 0

    def reserve(self, limits: Limits, tokens: int, now: float, wall: float) -> Verdict:
        """As `Limiter.reserve`, at ``now`` of a clock that never goes back and ``wall`` seconds since 1970."""
        refusal = self._refusal(limits, tokens, now, wall)
        if refusal is not None:
            return self._refused(limits, refusal, now, wall)
        second = int(now)
        requests_left = tokens_left = today_left = entry = None
        minute = today = today_reset = 0
        most = limits.requests_per_minute
        if most is not None:
            self._requests.add(second, 1)
            requests_left = most - self._requests.used
        most = limits.tokens_per_minute
        if most is not None:
            minute = tokens if tokens < most else most
            entry = self._tokens.add(second, minute)
            tokens_left = most - self._tokens.used
        most = limits.tokens_per_day
        if most is not None:
            today = tokens if tokens < most else most
            self._tokens_today += today
            today_left, today_reset = most - self._tokens_today, self._until_midnight(wall)
        reservation = None
        if limits.concurrent_requests is not None or tokens:
            self._running += 1
            reservation = MemoryReservation(self, entry, minute, self._day, today)
        return Verdict(None, reservation, requests_left, COUNTED, tokens_left, COUNTED, today_left, today_reset)

    def _refusal(self, limits: Limits, tokens: int, now: float, wall: float) -> Refusal | None:
        refusals: list[Refusal] | None = None
        second, most = int(now), limits.requests_per_minute
        if most is not None and self._requests.move_to(second) >= most:
            refusals = [Refusal(LimitKind.REQUESTS_PER_MINUTE, self._requests.wait(now, most - 1))]
        most = limits.tokens_per_minute
        if most is not None and self._tokens.move_to(second) > (room := max(0, most - tokens)):
            refusals = [*(refusals or ()), Refusal(LimitKind.TOKENS_PER_MINUTE, self._tokens.wait(now, room))]
        most = limits.tokens_per_day
        if most is not None:
            if not 0 <= wall - self._day * DAY < DAY:
                self._day, self._tokens_today = int(wall // DAY), 0
            if self._tokens_today > max(0, most - tokens):
                refusals = [*(refusals or ()), Refusal(LimitKind.TOKENS_PER_DAY, self._until_midnight(wall))]
        most = limits.concurrent_requests
        if most is not None and self._running >= most:
            refusals = [*(refusals or ()), Refusal(LimitKind.CONCURRENT_REQUESTS, PLACE_RETRY)]
        return longest(refusals) if refusals else None

    def _refused(self, limits: Limits, refusal: Refusal, now: float, wall: float) -> Verdict:
        requests, tokens, today = limits.requests_per_minute, limits.tokens_per_minute, limits.tokens_per_day
        return Verdict(
            refusal,
            None,
            None if requests is None else max(0, requests - self._requests.used),
            self._requests.reset(now),
            None if tokens is None else max(0, tokens - self._tokens.used),
            self._tokens.reset(now),
            None if today is None else max(0, today - self._tokens_today),
            0 if today is None else self._until_midnight(wall),
        )

    def _until_midnight(self, wall: float) -> int:
        return ceil((self._day + 1) * DAY - wall)

    def settle(self, reservation: "MemoryReservation", tokens: int | None) -> None:
        """Put what was used in place of what was reserved."""
        self._running -= 1
        if tokens is None:
            return
        if reservation.entry is not None:
            self._tokens.correct(reservation.entry, tokens - reservation.minute)
        if reservation.day == self._day:
            self._tokens_today += tokens - reservation.today


class MemoryReservation:
    """What an admitted request holds of an account."""

    __slots__ = ("_account", "day", "entry", "minute", "today")

    def __init__(self, account: Account, entry: Entry | None, minute: int, day: int, today: int) -> None:
        self._account = account
        self.entry = entry
        self.minute = minute
        """Tokens in ``entry``."""
        self.day = day
        self.today = today
        """Tokens counted for that day."""

    def settle(self, tokens: int | None) -> None:
        """As `Reservation.settle`."""
        self._account.settle(self, tokens)


class Recent:
    """At most ``capacity`` accounts: with every ``capacity / 2`` new ones, those go that nobody used meanwhile."""

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[str, Account] = {}
        self._old: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __getitem__(self, name: str) -> Account:
        """The account of ``name``, a new one if it is not known."""
        account = self._young.get(name)
        if account is None:
            account = self._old.pop(name, None) or Account()
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            self._young[name] = account
        return account


class MemoryLimiter:
    """Counts in memory.

    Callers with an identity and those without are kept apart, so that many addresses push no key's counts out.
    """

    def __init__(
        self, clock: Callable[[], float], wall_clock: Callable[[], float], max_accounts: int = MAX_ACCOUNTS
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._named = Recent(max_accounts // 2)
        self._unnamed = Recent(max_accounts // 2)

    @property
    def accounts(self) -> int:
        """Callers whose use is remembered."""
        return len(self._named) + len(self._unnamed)

    def reserve(self, caller: Caller, tokens: int) -> Verdict:
        """As `Limiter.reserve`."""
        bucket = caller.bucket
        account = (self._named if bucket == caller.name else self._unnamed)[bucket]
        return account.reserve(caller.limits, tokens, self._clock(), self._wall_clock())
