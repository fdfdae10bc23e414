"""What a limiter says about a request, whatever it counts with."""

from collections.abc import Awaitable
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from slipway_router.domain.callers.keys import Caller

MINUTE: Final = 60
"""Seconds of the sliding window. It moves by whole seconds, so that use is counted for at least 60 and less than 61."""
COUNTED: Final = MINUTE + 1
"""Seconds from the begin of the second in which something is used until it is not counted any more."""
DAY: Final = 86_400
PLACE_RETRY: Final = 1
"""Seconds after which a caller with too many running requests may ask again; nobody knows when one of them ends."""


class LimitKind(StrEnum):
    """What can be limited; the order is that in which a refusal names them when several refuse for equally long."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    TOKENS_PER_DAY = "tokens_per_day"
    CONCURRENT_REQUESTS = "concurrent_requests"


class Refusal(NamedTuple):
    """Why a request is not admitted: of the limits that refuse it, the one that does so for longest."""

    kind: LimitKind
    retry_after: int
    """Whole seconds after which the same request is admitted, if the caller sends no other one before."""


class Reservation(Protocol):
    """What an admitted request holds of its caller's limits."""

    def settle(self, tokens: int | None) -> None:
        """The request is over and has used ``tokens``; None if nobody knows, then the estimate stays. Call it once."""
        ...


class Verdict:
    """What became of a request, and how the limits stand after it; None where the caller has no such limit.

    ``…_left`` is what remains, ``…_reset`` the seconds until all of it is there again if nothing is used before.
    """

    __slots__ = (
        "refusal",
        "requests_left",
        "requests_reset",
        "reservation",
        "today_left",
        "today_reset",
        "tokens_left",
        "tokens_reset",
    )

    def __init__(
        self,
        refusal: Refusal | None,
        reservation: Reservation | None,
        requests_left: int | None,
        requests_reset: int,
        tokens_left: int | None,
        tokens_reset: int,
        today_left: int | None,
        today_reset: int,
    ) -> None:
        self.refusal = refusal
        self.reservation = reservation
        """Of an admitted request that has something to settle."""
        self.requests_left = requests_left
        self.requests_reset = requests_reset
        self.tokens_left = tokens_left
        self.tokens_reset = tokens_reset
        self.today_left = today_left
        self.today_reset = today_reset


class Limiter(Protocol):
    """Counts what callers use."""

    def reserve(self, caller: Caller, tokens: int) -> Verdict | Awaitable[Verdict]:
        """Admit a request that will use about ``tokens``, or refuse it; refused ones count nowhere.

        No more tokens are asked of a limit than it has, so that a large estimate passes when nothing else is used.

        Raises:
            LimitsUnavailableError: the counts cannot be reached.
        """
        ...


class LimitsUnavailableError(Exception):
    """Whatever keeps the counts does not answer."""


def longest(refusals: list[Refusal]) -> Refusal | None:
    """The refusal that lasts longest; of equal ones the first."""
    return max(refusals, key=lambda refusal: refusal.retry_after, default=None)
