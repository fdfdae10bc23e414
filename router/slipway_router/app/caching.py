"""Puts the cache of answers together."""

import time
from collections.abc import Callable
from typing import Final

from prometheus_client.registry import Collector

from slipway_router.adapters.cache.answers import AnswerCache
from slipway_router.adapters.cache.metrics import AnswerCacheMetrics
from slipway_router.app.options import CacheOptions
from slipway_router.domain.exchange import Ending, Step


class Caching:
    """The kept answers of one router."""

    def __init__(self, options: CacheOptions, clock: Callable[[], float] = time.monotonic) -> None:
        """With 0 bytes nothing is kept, whatever the models say."""
        cache = AnswerCache(options.max_bytes, options.max_answer_bytes, clock)
        self.steps: Final[tuple[Step, ...]] = (cache,) if options.max_bytes else ()
        self.ending: Final[Ending | None] = cache.ended if options.max_bytes else None
        self.collector: Final[Collector] = AnswerCacheMetrics(cache)
