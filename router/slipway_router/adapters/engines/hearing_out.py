"""After a caller has left: what the engine had sent by then is counted, though nobody gets it."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from slipway_router.adapters.engines.answer_heads import ResponseHead
from slipway_router.adapters.engines.connection import EngineConnection

HEAR_SECONDS: Final = 0.5
"""How long an engine may take to notice that nobody listens; then its connection is cut."""
HEAR_BYTES: Final = 16 * 1024 * 1024
_SETTLE_SECONDS: Final = 0.01


class Watched(Protocol):
    """Something that must end, now or later."""

    def check(self, now: float) -> None:
        """End if it is time to."""
        ...

    def check_key(self) -> None:
        """End if the caller's key is not accepted any more."""
        ...


class UnderWay(set[Watched]):
    """All that is under way. Someone calls `check_all` now and then; a timer for each would cost much more."""

    def check_all(self, now: float) -> None:
        """End what has waited for too long, or whose key is not accepted any more."""
        for watched in list(self):
            watched.check(now)
            watched.check_key()

    async def settle(self, clock: Callable[[], float]) -> None:
        """Wait for the engines of callers who have just left, as long as they are heard out."""
        until = clock() + HEAR_SECONDS
        while self and clock() < until:  # noqa: ASYNC110 - an event would cost every request
            await asyncio.sleep(_SETTLE_SECONDS)
        self.check_all(until)


class HearingOut:
    """Listens to an engine whose connection is closed from this side, until it has closed the other.

    Engines take the end of the request's direction for a hang-up, and stop as if the connection were cut; but cutting
    it would also throw away what is on its way, and then nobody could say how many tokens were delivered.
    """

    __slots__ = ("_connection", "_feed", "_left", "_on_end", "_until")

    def __init__(
        self,
        connection: EngineConnection,
        feed: Callable[[bytes], None],
        until: float,
        on_end: Callable[["HearingOut"], None],
    ) -> None:
        self._connection = connection
        self._feed = feed
        self._until = until
        self._on_end = on_end
        self._left = HEAR_BYTES

    def received(self, head: ResponseHead | None, pieces: list[bytes], complete: bool) -> None:
        """Count what one read brought."""
        for piece in pieces:
            self._feed(piece)
            self._left -= len(piece)
        if complete or self._left < 0:
            self.end()

    def lost(self, error: Exception) -> None:
        """The engine has noticed."""
        self.end()

    def check(self, now: float) -> None:
        """Cut the connection if the engine has not noticed in time."""
        if now >= self._until:
            self.end()

    def check_key(self) -> None:
        """Nothing goes to the caller any more."""

    def end(self) -> None:
        """Stop listening."""
        self._connection.abort()
        self._on_end(self)
