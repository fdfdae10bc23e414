"""From a request's texts to the model's results: tokenised beside the event loop, computed in batches."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from slipway_runtime.adapters.onnx.batcher import OVERLOADED, Batcher, Job
from slipway_runtime.adapters.onnx.metrics import RequestMetrics, Timing
from slipway_runtime.adapters.onnx.model import OnnxModel, unit
from slipway_runtime.adapters.onnx.session import Floats
from slipway_runtime.adapters.onnx.tokenizer import Row, TextTokenizer
from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.sentence_transformers import TextModel
from slipway_runtime.domain.text_inputs import Input, TokenizingOptions

Result = TypeVar("Result")

_AT_ONCE: Final = 64
"""Inputs tokenised without a pause: in the pauses others get their turn, and who has hung up is noticed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The model's results for one request."""

    values: list[Floats]
    lengths: list[int]
    """Tokens of each input."""
    timing: Timing

    @property
    def tokens(self) -> int:
        """Of all inputs."""
        return sum(self.lengths)


class Inference:
    """One loaded model, for requests of any API."""

    def __init__(
        self, model: OnnxModel, batcher: Batcher, tokenizing: ThreadPoolExecutor, metrics: RequestMetrics
    ) -> None:
        self._model = model
        self._batcher = batcher
        self._tokenizing = tokenizing
        self._metrics = metrics

    @property
    def facts(self) -> TextModel:
        """What the model is."""
        return self._model.facts

    @property
    def vectors_of_tokens(self) -> bool:
        """Whether the model can tell a vector for each token."""
        return not self._model.graph.pools

    async def compute(self, subject: str, inputs: Sequence[Input], options: TokenizingOptions) -> Outcome:
        """The results for ``inputs``; ``subject`` is what metrics call it, embed or predict.

        Raises ApiError. Cancelling it drops what has not been run.
        """
        self._metrics.began(subject, len(inputs))
        work = _Tokenizing(self._model.tokenizer, self._batcher, self._tokenizing, inputs, options)
        try:
            computed = await self._batcher.submit(work.begin)
        except ApiError as error:
            self._metrics.failed("overloaded" if error.body["error"]["code"] == OVERLOADED else "tokenization")
            raise
        except asyncio.CancelledError:
            self._metrics.failed("dropped")
            raise
        except Exception:
            self._metrics.failed("inference")
            raise
        timing = Timing(work.seconds, computed.queue, computed.inference)
        lengths = [len(row) for row in work.rows]
        self._metrics.succeeded(subject, lengths, timing, time.perf_counter() - work.begun)
        return Outcome(computed.values, lengths, timing)

    async def with_tokenizer(self, work: Callable[[TextTokenizer], Result]) -> Result:
        """The result of ``work``, in the one thread that may use the tokenizer."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tokenizing, work, self._model.tokenizer)


class _Tokenizing:
    """Makes rows of one request's inputs, in the tokenizer's thread, and puts them in line for the model from there.

    The event loop hears of the request again when its results are there: each change between threads costs as much as
    the tokens of a short text.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        batcher: Batcher,
        thread: ThreadPoolExecutor,
        inputs: Sequence[Input],
        options: TokenizingOptions,
    ) -> None:
        self.rows: list[Row] = []
        self.begun = time.perf_counter()
        self.seconds = 0.0
        self._tokenizer = tokenizer
        self._batcher = batcher
        self._thread = thread
        self._inputs = inputs
        self._options = options

    def begin(self, job: Job) -> None:
        """Do it for ``job``, later."""
        self._thread.submit(self._next, job)

    def _next(self, job: Job) -> None:
        if job.dropped:
            return
        first = len(self.rows)
        try:
            self.rows += self._tokenizer.encode(self._inputs[first : first + _AT_ONCE], self._options, first)
            if len(self.rows) < len(self._inputs):
                self._thread.submit(self._next, job)
            else:
                self.seconds = time.perf_counter() - self.begun
                self._batcher.enqueue(job, self.rows)
        except Exception as error:
            self._batcher.break_off(job, error)


def embeddings(values: Sequence[Floats], *, dimensions: int | None, normalize: bool) -> Floats:
    """``values`` as one matrix, cut to ``dimensions`` if given, then scaled to length 1 if ``normalize``."""
    stacked: Floats = np.ascontiguousarray(np.stack(values)[:, :dimensions])
    return unit(stacked) if normalize else stacked
