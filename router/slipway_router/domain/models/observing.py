"""Watching requests, for whoever must know when models are used."""

from typing import Protocol

from slipway_router.domain.exchange import Exchange


class Observer(Protocol):
    """Told of requests. Called on the hot path: must be quick and must not raise."""

    def begun(self, exchange: Exchange) -> None:
        """A request passed every check and goes to its model now, or waits for it."""

    def ended(self, exchange: Exchange) -> None:
        """A request is over; also one that never began."""
