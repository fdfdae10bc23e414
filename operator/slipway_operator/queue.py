"""The work queue between watching and reconciling: keys, not events, so that many changes become one pass.

It promises that a key is worked on by one worker at a time, that a change during a pass leads to another pass, that a
failing key is tried again after a growing delay, and that a key never has more than one timer. It knows nothing of
Kubernetes.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

_SECOND_LOOK_SECONDS: Final = 1.0
"""By how much a key that was added after a delay stands back behind the others: what is new matters more."""


@dataclass(frozen=True)
class Backoff:
    """How long a failing key waits: ``base`` seconds doubled per failure up to ``cap``, less up to half by chance."""

    base: float = 0.25
    cap: float = 60.0

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after ``failures`` failures in a row; ``chance`` lies between 0 and 1."""
        # Past 2**32 the cap has long been reached, and a float power would overflow.
        full = min(self.cap, self.base * 2.0 ** min(failures - 1, 32))
        return full * (1 - chance / 2)


class QueueObserver(Protocol):
    """What a queue tells of itself."""

    def depth(self, keys: int) -> None:
        """``keys`` now wait for a worker."""
        ...

    def waited(self, seconds: float) -> None:
        """A key waited so long for its worker."""
        ...

    def worked(self, seconds: float, error: Exception | None) -> None:
        """A pass took so long and ended so."""
        ...


class WorkQueue(Generic[K]):
    """Keys waiting to be worked on, and the workers that do it."""

    def __init__(
        self, observer: QueueObserver, backoff: Backoff | None = None, chance: Callable[[], float] = random.random
    ) -> None:
        self._observer = observer
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._order: asyncio.PriorityQueue[tuple[float, int, K]] = asyncio.PriorityQueue()
        self._count = itertools.count()
        self._waiting: dict[K, float] = {}
        self._running: dict[K, bool] = {}  # value: changed since its pass began
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def add(self, key: K) -> None:
        """Work on ``key`` as soon as a worker is free; once, however often it is added until then."""
        self._add(key, handicap=0.0)

    def add_after(self, key: K, seconds: float) -> None:
        """Add ``key`` in ``seconds``, or when it was due already, whichever is sooner; at once for 0."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._timer_fired, key)

    async def run(self, work: Callable[[K], Awaitable[float | None]], workers: int) -> None:
        """Work until cancelled. ``work`` returns the seconds until it wants the key again, None for never."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._worker(work))

    def _timer_fired(self, key: K) -> None:
        del self._timers[key]
        self._add(key, handicap=_SECOND_LOOK_SECONDS)

    def _add(self, key: K, handicap: float) -> None:
        if key in self._running:
            self._running[key] = True
        elif key not in self._waiting:
            now = asyncio.get_running_loop().time()
            self._waiting[key] = now
            self._order.put_nowait((now + handicap, next(self._count), key))
            self._observer.depth(len(self._waiting))

    async def _worker(self, work: Callable[[K], Awaitable[float | None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            *_, key = await self._order.get()
            begun = loop.time()
            self._observer.waited(begun - self._waiting.pop(key))
            self._observer.depth(len(self._waiting))
            # The pass sees everything that its timer stood for.
            timer = self._timers.pop(key, None)
            if timer is not None:
                timer.cancel()
            self._running[key] = False
            try:
                error = await self._work_once(work, key)
            finally:
                changed = self._running.pop(key)
            self._observer.worked(loop.time() - begun, error)
            if changed:
                self._add(key, handicap=_SECOND_LOOK_SECONDS)

    async def _work_once(self, work: Callable[[K], Awaitable[float | None]], key: K) -> Exception | None:
        try:
            again = await work(key)
        except Exception as error:
            self._failures[key] = self._failures.get(key, 0) + 1
            self.add_after(key, self._backoff.delay(self._failures[key], self._chance()))
            return error
        self._failures.pop(key, None)
        if again is not None:
            self.add_after(key, again)
        return None
