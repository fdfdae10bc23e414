"""Dynamic batching: sequences of all waiting requests, run together by one thread."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from slipway_runtime.adapters.onnx.metrics import BatchMetrics
from slipway_runtime.adapters.onnx.model import Vectors
from slipway_runtime.domain.batching import choose_batch
from slipway_runtime.domain.openai import ApiError

log = logging.getLogger(__name__)

Run = Callable[[Sequence[list[int]]], Vectors]


@dataclass
class _Job:
    """One request: its result is complete when no sequence of it is missing."""

    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[list[Vectors]]"
    missing: int
    vectors: dict[int, Vectors] = field(default_factory=dict)
    cancelled: bool = False


@dataclass(frozen=True)
class _Item:
    job: _Job
    position: int
    tokens: list[int]


class Batcher:
    """Runs at most ``max_batch_tokens`` at once and lets at most ``max_queue_tokens`` wait."""

    def __init__(self, run: Run, max_batch_tokens: int, max_queue_tokens: int, metrics: BatchMetrics) -> None:
        self._run = run
        self._max_batch_tokens = max_batch_tokens
        self._max_queue_tokens = max_queue_tokens
        self._metrics = metrics
        self._waiting: list[_Item] = []
        self._queued_tokens = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    async def submit(self, sequences: Sequence[list[int]]) -> list[Vectors]:
        """The vectors of ``sequences``, in their order. Raises ApiError (503) when too much waits already."""
        loop = asyncio.get_running_loop()
        job = _Job(loop, loop.create_future(), len(sequences))
        items = [_Item(job, position, tokens) for position, tokens in enumerate(sequences)]
        self._enqueue(items, sum(map(len, sequences)))
        try:
            return await job.done
        except asyncio.CancelledError:
            job.cancelled = True
            raise

    def close(self) -> None:
        """End the thread after its current batch."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _enqueue(self, items: list[_Item], tokens: int) -> None:
        with self._changed:
            # A request on its own is let in whatever its size: it can never fit better later.
            if self._queued_tokens and self._queued_tokens + tokens > self._max_queue_tokens:
                message = "too much is waiting for this model; try again shortly"
                raise ApiError(503, message, kind="server_error", code="engine_overloaded", retry_after=1)
            self._waiting.extend(items)
            self._add_queued(tokens)
            self._changed.notify()

    def _add_queued(self, tokens: int) -> None:
        self._queued_tokens += tokens
        self._metrics.queued_tokens.set(self._queued_tokens)

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                with self._metrics.inference_seconds.time():
                    vectors = self._run([item.tokens for item in batch])
            except Exception as error:
                log.exception("a batch of %d sequences failed", len(batch))
                self._fail(batch, error)
                continue
            self._metrics.observe([len(item.tokens) for item in batch])
            for item, vector in zip(batch, vectors, strict=True):
                self._deliver(item, vector)

    def _next_batch(self) -> list[_Item]:
        """The next items to run, none when closed. Waits while there are none."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return []
                kept = [item for item in self._waiting if not item.job.cancelled]
                chosen = choose_batch([len(item.tokens) for item in kept], self._max_batch_tokens) if kept else []
                taken = set(chosen)
                self._waiting = [item for index, item in enumerate(kept) if index not in taken]
                self._add_queued(sum(len(item.tokens) for item in self._waiting) - self._queued_tokens)
                if chosen:
                    return [kept[index] for index in chosen]

    def _deliver(self, item: _Item, vector: Vectors) -> None:
        job = item.job
        job.vectors[item.position] = vector
        job.missing -= 1
        if not job.missing:
            vectors = [job.vectors[position] for position in sorted(job.vectors)]
            job.loop.call_soon_threadsafe(_set_result, job, vectors)

    def _fail(self, batch: list[_Item], error: Exception) -> None:
        for job in {id(item.job): item.job for item in batch}.values():
            job.cancelled = True  # for what still waits of it
            job.loop.call_soon_threadsafe(_set_error, job, error)


def _set_result(job: _Job, vectors: list[Vectors]) -> None:
    if not job.done.done():
        job.done.set_result(vectors)


def _set_error(job: _Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
