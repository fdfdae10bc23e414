"""Step: let a request wait for a sleeping model."""

import asyncio
from collections.abc import Callable
from typing import Final

from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.balancing import Balancer, Lease
from slipway_router.domain.models.catalogue import CatalogueStore, Model
from slipway_router.domain.models.resolving import unavailable
from slipway_router.domain.models.waiting import WaitingRoom
from slipway_router.domain.models.waking import Waker

PROGRESS_SECONDS: Final = 5.0
"""Time between two words of progress."""


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
        """A place on the first replica of ``model`` that comes up.

        ``progress`` is told every few seconds what the model does, such as ``phase=loading 42s``.

        Raises:
            RequestError: 503, too many wait, the time is up, or the model cannot start.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        with self._room.seat(model, len(exchange.body)):
            self._waker.wake(model)
            try:
                async with asyncio.timeout(model.policy.hold_timeout):
                    return await self._wait(exchange.model_name, model, began, progress)
            except TimeoutError:
                raise unavailable(self._current(exchange.model_name, model)) from None
            finally:
                exchange.held_seconds = loop.time() - began

    async def _wait(self, name: str, model: Model, began: float, progress: Callable[[str], None]) -> Lease:
        while True:
            model = self._current(name, model)
            lease = self._balancer.pick(model.key)
            if lease is not None:
                return lease
            if not model.wakeable:
                raise unavailable(model)
            if not await self._changed():
                waited = asyncio.get_running_loop().time() - began
                progress(f"phase={model.phase or 'waking'} {waited:.0f}s")

    async def _changed(self) -> bool:
        """Wait for a change in the catalogue; False if there was none for a while."""
        try:
            async with asyncio.timeout(self._progress_seconds):
                await self._store.wait_for_change()
        except TimeoutError:
            return False
        return True

    def _current(self, name: str, model: Model) -> Model:
        current = self._store.current.by_name.get(name)
        if current is None:
            raise unavailable(model)
        return current
