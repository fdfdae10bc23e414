"""The one thread that runs the pipeline, with as many waiting pictures at once as may run together."""

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from slipway_runtime.adapters.diffusers.loading import is_out_of_memory
from slipway_runtime.adapters.diffusers.metrics import ImageMetrics
from slipway_runtime.adapters.diffusers.pipeline import OnStep, Preview, Sample
from slipway_runtime.domain.images import Settings
from slipway_runtime.domain.images_batching import choose_equal, largest_exact
from slipway_runtime.domain.openai import ApiError

log = logging.getLogger(__name__)


class Runner(Protocol):
    """What the worker needs of a pipeline."""

    def run(self, samples: Sequence[Sample], on_step: OnStep) -> list[Image.Image]:
        """The pictures of samples with equal settings."""

    def exact_batch(self, settings: Settings, count: int) -> bool:
        """Whether so many may run together."""


@dataclass(frozen=True)
class Step:
    """A step that has been done for the pictures at ``places`` of one request."""

    places: tuple[int, ...]
    number: int
    count: int
    previews: dict[int, Image.Image] = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    """One request's pictures. ``on_step`` is called in ``loop``."""

    samples: tuple[Sample, ...]
    on_step: Callable[[Step], None]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[list[Image.Image]]"
    partial_images: int = 0
    pictures: dict[int, Image.Image] = field(default_factory=dict)
    cancelled: bool = False

    async def result(self) -> list[Image.Image]:
        """The pictures in the order of the samples. Whoever stops waiting for them cancels the job."""
        try:
            return await self.done
        finally:
            self.cancelled = True

    def tell(self, call: Callable[[], None]) -> None:
        """Call ``call`` in the loop of the request, if there still is one."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call)


@dataclass(frozen=True, eq=False)
class _Item:
    job: Job
    place: int

    @property
    def sample(self) -> Sample:
        return self.job.samples[self.place]


class _UnwantedError(Exception):
    """Nobody waits for any picture of the run any more."""


class ImageWorker:
    """Runs at most ``max_batch`` pictures at once. How much may wait is bounded by whoever admits requests."""

    def __init__(self, runner: Runner, max_batch: int, metrics: ImageMetrics) -> None:
        self._runner = runner
        self._max_batch = max_batch
        self._metrics = metrics
        self._waiting: list[_Item] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def submit(self, samples: Sequence[Sample], on_step: Callable[[Step], None], partial_images: int = 0) -> Job:
        """Let ``samples`` wait for their turn."""
        loop = asyncio.get_running_loop()
        job = Job(tuple(samples), on_step, loop, loop.create_future(), partial_images)
        with self._changed:
            self._waiting.extend(_Item(job, place) for place in range(len(samples)))
            self._changed.notify()
        return job

    def close(self) -> None:
        """End the thread after its current step."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._metrics.running.set(len(batch))
            try:
                self._make(batch)
            except _UnwantedError:
                pass
            except Exception as error:
                for job in {item.job for item in batch}:
                    _fail(job, error)
            self._metrics.running.set(0)

    def _next_batch(self) -> list[_Item]:
        """The next pictures to make, none when closed. Waits while there are none."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return []
                self._drop_cancelled()
                chosen = [self._waiting[index] for index in self._choose()] if self._waiting else []
            if not chosen:
                continue
            # Found out without the lock, since it may take a few steps of the model.
            batch = chosen[: self._exact(chosen)]
            with self._changed:
                self._waiting = [item for item in self._waiting if item not in batch]
                self._metrics.queued.set(len(self._waiting))
            return batch

    def _drop_cancelled(self) -> None:
        kept = [item for item in self._waiting if not item.job.cancelled]
        self._metrics.cancelled.inc(len(self._waiting) - len(kept))
        self._waiting = kept
        self._metrics.queued.set(len(kept))

    def _choose(self) -> list[int]:
        return choose_equal([item.sample.settings for item in self._waiting], self._max_batch)

    def _exact(self, chosen: list[_Item]) -> int:
        settings = chosen[0].sample.settings
        try:
            return largest_exact(len(chosen), lambda count: self._runner.exact_batch(settings, count))
        except Exception as error:
            # Whatever it is meets the run itself too, whose caller is told.
            log.info("trying a run of %d failed: %r", len(chosen), error)
            return 1

    def _make(self, batch: list[_Item]) -> None:
        try:
            pictures = self._runner.run([item.sample for item in batch], self._watch(batch))
        except Exception as error:
            if len(batch) == 1 or not is_out_of_memory(error):
                raise
            log.warning("a run of %d pictures needs too much memory; making them one by one", len(batch))
            pictures = [self._runner.run([item.sample], self._watch([item]))[0] for item in batch]
        self._metrics.batch_pictures.observe(len(batch))
        for item, picture in zip(batch, pictures, strict=True):
            self._deliver(item, picture)

    def _watch(self, batch: list[_Item]) -> OnStep:
        last = time.monotonic()
        places: dict[Job, list[tuple[int, int]]] = {}
        for index, item in enumerate(batch):
            places.setdefault(item.job, []).append((index, item.place))

        def on_step(number: int, count: int, preview: Preview) -> None:
            nonlocal last
            now = time.monotonic()
            self._metrics.step_seconds.observe(now - last)
            self._metrics.steps.inc(len(batch))
            last = now
            if self._closed or all(job.cancelled for job in places):
                self._metrics.cancelled.inc(len(batch))
                raise _UnwantedError
            for job, own in places.items():
                _tell_step(job, own, number, count, preview)

        return on_step

    def _deliver(self, item: _Item, picture: Image.Image) -> None:
        job = item.job
        self._metrics.pictures.inc()
        job.pictures[item.place] = picture
        if len(job.pictures) == len(job.samples):
            pictures = [job.pictures[place] for place in range(len(job.samples))]
            job.tell(lambda: None if job.done.done() else job.done.set_result(pictures))


def _tell_step(job: Job, own: list[tuple[int, int]], number: int, count: int, preview: Preview) -> None:
    previews: dict[int, Image.Image] = {}
    if _shows_preview(job.partial_images, number, count):
        shown = {place: preview(index) for index, place in own}
        previews = {place: picture for place, picture in shown.items() if picture is not None}
    step = Step(tuple(place for _, place in own), number, count, previews)
    job.tell(lambda: job.on_step(step))


def _shows_preview(partial_images: int, number: int, count: int) -> bool:
    """Whether step ``number`` of ``count`` is one of the ``partial_images``, which are spread evenly before the end."""
    marks = {count * part // (partial_images + 1) for part in range(1, partial_images + 1)}
    return number in marks and number < count


def _fail(job: Job, error: Exception) -> None:
    refusal = _as_refusal(error, job.samples[0].settings)
    if not isinstance(refusal, ApiError):
        log.error("a run failed", exc_info=error)
    job.cancelled = True  # for what still waits of it
    job.tell(lambda: None if job.done.done() else job.done.set_exception(refusal))


def _as_refusal(error: Exception, settings: Settings) -> Exception:
    if is_out_of_memory(error):
        message = f"a picture of {settings.width}x{settings.height} needs more memory than there is; ask for a smaller"
        return ApiError(400, message, code="out_of_memory", param="size")
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, ValueError) and any(frame.name == "check_inputs" for frame in frames):
        return ApiError(400, f"the model's pipeline refuses the request: {error}")
    return error
