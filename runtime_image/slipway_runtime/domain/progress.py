"""How far a fetch has come, and whether it is still wanted."""

from dataclasses import dataclass


class FetchCancelled(Exception):  # noqa: N818 - nothing went wrong
    """Nobody waits for this fetch any more."""


@dataclass
class Progress:
    """Counters of one fetch: written by the thread that fetches, read by whoever reports."""

    fetched: int = 0
    """Bytes taken from the source by this process; what a cache had already is not among them."""
    total: int | None = None
    """Bytes to take in all; None while unknown."""
    cancelled: bool = False

    def add(self, count: int) -> None:
        """Count ``count`` bytes (negative when a part has to be fetched again). Raises FetchCancelled."""
        self.check()
        self.fetched += count

    def check(self) -> None:
        """Raise FetchCancelled when the fetch is no longer wanted."""
        if self.cancelled:
            raise FetchCancelled
