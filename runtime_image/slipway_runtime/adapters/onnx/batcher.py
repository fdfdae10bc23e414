"""Dynamic batching: sequences of all waiting requests, run together by a few threads."""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from slipway_runtime.adapters.onnx.metrics import BatchMetrics
from slipway_runtime.adapters.onnx.session import Floats
from slipway_runtime.adapters.onnx.tokenizer import Row
from slipway_runtime.domain.batching import choose_batch, fair_share
from slipway_runtime.domain.openai import ApiError

log = logging.getLogger(__name__)

_WINDOW: Final = 4096
"""Of what waits, the oldest of which a batch is chosen: looking at more costs more than it gains."""

_NICENESS: Final = 10
"""Of the threads that compute, beside those that read requests, tokenise and write answers."""

OVERLOADED: Final = "engine_overloaded"
"""Code of the error that callers get when too much waits."""

Run = Callable[[Sequence[Row]], list[Floats]]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one run and the queue may hold, and what a run costs."""

    batch_tokens: int
    """Padding included."""
    queue_tokens: int
    run_tokens: int
    """What a run costs beside its tokens, counted in tokens."""
    batch_rows: int | None = None
    workers: int = 1
    """Batches that are run at the same time."""


@dataclass(frozen=True, slots=True)
class Computed:
    """The results of one request's rows, in their order."""

    values: list[Floats]
    queue: float
    """Seconds until the first of them was run."""
    inference: float
    """Seconds that the runs took which they were part of."""


@dataclass(slots=True, eq=False)
class Job:
    """One request: its result is complete when no sequence of it is missing."""

    loop: asyncio.AbstractEventLoop
    """The same for all jobs: that of the data port."""
    done: "asyncio.Future[Computed]"
    missing: int = 0
    dropped: bool = False
    values: dict[int, Floats] = field(default_factory=dict)
    since: float = 0.0
    begun: float = 0.0
    inference: float = 0.0


@dataclass(frozen=True, slots=True)
class _Item:
    job: Job
    position: int
    row: Row


class Batcher:
    """Runs rows of several requests together, within ``limits``."""

    def __init__(self, run: Run, limits: BatchLimits, metrics: BatchMetrics) -> None:
        self._run = run
        self._limits = limits
        self._metrics = metrics
        self._waiting: list[_Item] = []
        self._queued_tokens = 0
        self._changed = threading.Condition()
        self._delivering = threading.Lock()
        self._closed = False
        for number in range(limits.workers):
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True).start()

    async def submit(self, prepare: Callable[[Job], object]) -> Computed:
        """The results of the rows that ``prepare`` has put in line for the job it is given, from whatever thread.

        Raises what the job was broken off with.
        """
        loop = asyncio.get_running_loop()
        job = Job(loop, loop.create_future())
        prepare(job)
        try:
            return await job.done
        except asyncio.CancelledError:
            self._drop([job])
            raise

    def enqueue(self, job: Job, rows: Sequence[Row]) -> None:
        """Put ``rows``, all that ``job`` consists of, in line. Raises ApiError (429) when too much waits already."""
        items = [_Item(job, position, row) for position, row in enumerate(rows)]
        tokens = sum(map(len, rows))
        with self._changed:
            if job.dropped:
                return
            # A request on its own is let in whatever its size: it can never fit better later.
            if self._queued_tokens and self._queued_tokens + tokens > self._limits.queue_tokens:
                message = "too much is waiting for this model; try again shortly"
                raise ApiError(429, message, kind="rate_limit_error", code=OVERLOADED, retry_after=1)
            job.missing, job.since = len(items), time.perf_counter()
            self._waiting.extend(items)
            self._set_queued(self._queued_tokens + tokens)
            self._changed.notify(len(items))

    def break_off(self, job: Job, error: Exception) -> None:
        """Fail ``job`` with ``error``."""
        job.loop.call_soon_threadsafe(_break_off, job, error)

    def close(self) -> None:
        """End the threads after their current batches."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _set_queued(self, tokens: int) -> None:
        self._queued_tokens = tokens
        self._metrics.queued(len(self._waiting), tokens)

    def _work(self) -> None:
        _step_back()
        while batch := self._next_batch():
            begun = time.perf_counter()
            try:
                values = self._run([item.row for item in batch])
            except Exception as error:
                log.exception("a batch of %d sequences failed", len(batch))
                self._fail(batch, error)
                continue
            seconds = time.perf_counter() - begun
            self._deliver(batch, values, begun, seconds)
            self._metrics.ran([len(item.row) for item in batch], seconds)

    def _next_batch(self) -> list[_Item]:
        """The next items to run, none when closed. Waits while there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return []
            near, far = self._waiting[:_WINDOW], self._waiting[_WINDOW:]
            lengths = [len(item.row) for item in near]
            budget = fair_share(self._queued_tokens, self._limits.batch_tokens, self._limits.workers)
            chosen = choose_batch(lengths, budget, self._limits.run_tokens, self._limits.batch_rows)
            taken = set(chosen)
            self._waiting = [item for index, item in enumerate(near) if index not in taken] + far
            self._set_queued(self._queued_tokens - sum(lengths[index] for index in chosen))
            return [near[index] for index in chosen]

    def _drop(self, jobs: Sequence[Job]) -> None:
        """Forget what waits of ``jobs``."""
        with self._changed:
            for job in jobs:
                job.dropped = True
            kept = [item for item in self._waiting if not item.job.dropped]
            if len(kept) < len(self._waiting):
                self._waiting = kept
                self._set_queued(sum(len(item.row) for item in kept))

    def _deliver(self, batch: Sequence[_Item], values: Sequence[Floats], begun: float, seconds: float) -> None:
        # Another thread may have run the rest of the same job.
        with self._delivering:
            for item, value in zip(batch, values, strict=True):
                item.job.values[item.position] = value
                item.job.missing -= 1
            for job in _jobs(batch):
                job.begun = job.begun or begun
                job.inference += seconds
            complete = [job for job in _jobs(batch) if not job.missing]
        if complete:
            complete[0].loop.call_soon_threadsafe(_complete, complete)

    def _fail(self, batch: Sequence[_Item], error: Exception) -> None:
        jobs = _jobs(batch)
        self._drop(jobs)
        for job in jobs:
            self.break_off(job, error)


def _step_back() -> None:
    """Let other threads of the process go before this one: answering callers must not wait for a time slice."""
    if sys.platform == "linux":  # elsewhere it counts for the whole process
        os.nice(_NICENESS)


def _jobs(batch: Sequence[_Item]) -> list[Job]:
    return list(dict.fromkeys(item.job for item in batch))


def _complete(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if not job.done.done():
            values = [job.values[position] for position in range(len(job.values))]
            job.done.set_result(Computed(values, job.begun - job.since, job.inference))


def _break_off(job: Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
