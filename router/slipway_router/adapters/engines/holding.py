"""Step: let a request wait for a sleeping model."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.balancing import Balancer, Lease
from slipway_router.domain.models.catalogue import CatalogueStore, Model
from slipway_router.domain.models.resolving import unavailable
from slipway_router.domain.models.waiting import WaitingRoom
from slipway_router.domain.models.waking import Waker

PROGRESS_SECONDS: Final = 5.0
"""Time between two words of progress, unless the phase changes."""
_FIRST_WORD_SECONDS: Final = 1.0
"""Who need not wait longer hears nothing: an answer that has begun can no longer have an error status."""
_REST_SECONDS: Final = 0.5
"""How often to look for a replica whose rest is over."""


class Holder:
    """Wakes models and lets requests wait for them."""

    def __init__(
        self,
        store: CatalogueStore,
        balancer: Balancer,
        room: WaitingRoom,
        waker: Waker,
        progress_seconds: float = PROGRESS_SECONDS,
    ) -> None:
        self._store = store
        self._balancer = balancer
        self._room = room
        self._waker = waker
        self._progress_seconds = progress_seconds

    async def lease(self, exchange: Exchange, model: Model, progress: Callable[[str], None]) -> Lease:
        """A place on the first replica of ``model`` that comes up, or that comes back after it failed.

        ``progress`` is told every few seconds what the model does, such as ``phase=loading 42s``. A request that waits
        again has what is left of its time.

        Raises:
            RequestError: 503, too many wait, the time is up, or the model cannot start.
        """
        loop = asyncio.get_running_loop()
        began, waited = loop.time(), exchange.held_seconds
        with self._room.seat(model, len(exchange.body)):
            self._waker.wake(model)
            try:
                async with asyncio.timeout(model.policy.hold_timeout - waited):
                    return await self._wait(exchange.model_name, model, began - waited, progress)
            except TimeoutError:
                raise unavailable(self._current(exchange.model_name, model)) from None
            finally:
                exchange.held_seconds = waited + loop.time() - began

    def may_wait(self, name: str) -> bool:
        """Whether a replica of the model of this name comes, or comes back, for a request that waits."""
        model = self._store.current.by_name.get(name)
        return model is not None and model.wakeable

    async def _wait(self, name: str, model: Model, began: float, progress: Callable[[str], None]) -> Lease:
        loop = asyncio.get_running_loop()
        told, told_at = "", began + min(_FIRST_WORD_SECONDS, self._progress_seconds) - self._progress_seconds
        while True:
            model = self._current(name, model)
            lease = self._balancer.pick_rested(model.key)
            if lease is not None:
                return lease
            if not model.wakeable:
                raise unavailable(model)
            phase, now = model.phase or "waking", loop.time()
            if now >= told_at + self._progress_seconds or (told and phase != told):
                told, told_at = phase, now
                progress(f"phase={phase} {now - began:.0f}s")
            quiet = told_at + self._progress_seconds - now
            await self._change_within(min(quiet, _REST_SECONDS) if model.endpoints else quiet)

    async def _change_within(self, seconds: float) -> None:
        """Wait for a change in the catalogue, but no longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._store.wait_for_change()

    def _current(self, name: str, model: Model) -> Model:
        current = self._store.current.by_name.get(name)
        if current is None:
            raise unavailable(model)
        return current
