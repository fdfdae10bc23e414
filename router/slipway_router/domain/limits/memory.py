"""Limits counted in this process: exact for one router."""

from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Final

from slipway_router.domain.callers.keys import Caller, Limits
from slipway_router.domain.limits.verdict import COUNTED, DAY, MINUTE, PLACE_RETRY, LimitKind, Refusal, Verdict, longest

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
        second = int(now)
        requests, minute, today = limits.requests_per_minute, limits.tokens_per_minute, limits.tokens_per_day
        if (
            (requests is not None and self._requests.move_to(second) >= requests)
            or (minute is not None and self._tokens.move_to(second) > (minute - tokens if tokens < minute else 0))
            or (today is not None and self._used_today(wall) > (today - tokens if tokens < today else 0))
            or (limits.concurrent_requests is not None and self._running >= limits.concurrent_requests)
        ):
            return self._refused(limits, tokens, now, wall)
        requests_left = tokens_left = today_left = entry = None
        in_minute = in_day = today_reset = 0
        if requests is not None:
            self._requests.add(second, 1)
            requests_left = requests - self._requests.used
        if minute is not None:
            in_minute = tokens if tokens < minute else minute
            entry = self._tokens.add(second, in_minute)
            tokens_left = minute - self._tokens.used
        if today is not None:
            in_day = tokens if tokens < today else today
            self._tokens_today += in_day
            today_left, today_reset = today - self._tokens_today, self._until_midnight(wall)
        reservation = None
        if limits.concurrent_requests is not None or tokens:
            self._running += 1
            reservation = MemoryReservation(self, entry, in_minute, self._day, in_day)
        return Verdict(None, reservation, requests_left, COUNTED, tokens_left, COUNTED, today_left, today_reset)

    def _refused(self, limits: Limits, tokens: int, now: float, wall: float) -> Verdict:
        """What a request is told that at least one limit refuses."""
        refusals: list[Refusal] = []
        requests_left = tokens_left = today_left = None
        most, used = limits.requests_per_minute, self._requests.move_to(int(now))
        if most is not None:
            requests_left = max(0, most - used)
            if used >= most:
                refusals.append(Refusal(LimitKind.REQUESTS_PER_MINUTE, self._requests.wait(now, most - 1)))
        most, used = limits.tokens_per_minute, self._tokens.move_to(int(now))
        if most is not None:
            tokens_left = max(0, most - used)
            if used > (room := max(0, most - tokens)):
                refusals.append(Refusal(LimitKind.TOKENS_PER_MINUTE, self._tokens.wait(now, room)))
        most, used = limits.tokens_per_day, self._used_today(wall)
        midnight = 0 if most is None else self._until_midnight(wall)
        if most is not None:
            today_left = max(0, most - used)
            if used > max(0, most - tokens):
                refusals.append(Refusal(LimitKind.TOKENS_PER_DAY, midnight))
        most = limits.concurrent_requests
        if most is not None and self._running >= most:
            refusals.append(Refusal(LimitKind.CONCURRENT_REQUESTS, PLACE_RETRY))
        resets = self._requests.reset(now), self._tokens.reset(now)
        return Verdict(longest(refusals), None, requests_left, resets[0], tokens_left, resets[1], today_left, midnight)

    def _used_today(self, wall: float) -> int:
        if not 0 <= wall - self._day * DAY < DAY:
            self._day, self._tokens_today = int(wall // DAY), 0
        return self._tokens_today

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
