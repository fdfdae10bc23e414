"""Puts the limits together: where they are counted, the step that enforces them, their metrics."""

import time
from collections.abc import Callable
from typing import Final

from prometheus_client.registry import Collector

from slipway_router.adapters.limits.metrics import LimitMetrics
from slipway_router.adapters.limits.shared import SharedLimiter
from slipway_router.app.options import Features
from slipway_router.domain.exchange import Ending, Step
from slipway_router.domain.limits.memory import MemoryLimiter
from slipway_router.domain.limits.step import EnforceLimits, settle


class Limiting:
    """The limits of one router."""

    def __init__(
        self,
        features: Features,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Without a shared store, by ``clock`` and ``wall_clock`` (seconds since 1970).

        Raises:
            ValueError: the store's URL is none.
        """
        metrics = LimitMetrics(with_store=bool(features.store.url))
        store, options = features.store, features.limits
        self._shared: Final = (
            SharedLimiter(
                store.url, prefix=store.prefix, timeout=store.timeout, lease_seconds=options.lease, watcher=metrics
            )
            if store.url
            else None
        )
        limiter = self._shared or MemoryLimiter(clock, wall_clock)
        fail_open = options.fail_mode == "open"
        self.step: Final[Step] = EnforceLimits(limiter, metrics, fail_open=fail_open)
        self.ending: Final[Ending] = settle
        self.collector: Final[Collector] = metrics

    async def start(self) -> None:
        """Begin to keep alive what running requests hold in a shared store."""
        if self._shared is not None:
            await self._shared.start()

    async def close(self) -> None:
        """Settle what is not settled yet. Call it when no request runs any more."""
        if self._shared is not None:
            await self._shared.close()
