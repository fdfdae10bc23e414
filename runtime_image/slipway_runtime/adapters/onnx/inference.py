"""From a request's texts to the model's results: tokenised beside the event loop, computed in batches."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import numpy as np

from slipway_runtime.adapters.onnx.batcher import Batcher
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
        begun = time.perf_counter()
        rows = await self._tokenized(inputs, options)
        tokenization = time.perf_counter() - begun
        try:
            computed = await self._batcher.submit(rows)
        except ApiError:
            self._metrics.failed("overloaded")
            raise
        except asyncio.CancelledError:
            self._metrics.failed("dropped")
            raise
        except Exception:
            self._metrics.failed("inference")
            raise
        timing = Timing(tokenization, computed.queue, computed.inference)
        lengths = [len(row) for row in rows]
        self._metrics.succeeded(subject, lengths, timing, time.perf_counter() - begun)
        return Outcome(computed.values, lengths, timing)

    async def with_tokenizer(self, work: Callable[[TextTokenizer], Result]) -> Result:
        """The result of ``work``, in the one thread that may use the tokenizer."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tokenizing, work, self._model.tokenizer)

    async def _tokenized(self, inputs: Sequence[Input], options: TokenizingOptions) -> list[Row]:
        rows: list[Row] = []
        try:
            for first in range(0, len(inputs), _AT_ONCE):
                part = inputs[first : first + _AT_ONCE]
                rows += await self.with_tokenizer(partial(_encode, inputs=part, options=options, first=first))
            return rows
        except ApiError:
            self._metrics.failed("tokenization")
            raise


def _encode(tokenizer: TextTokenizer, inputs: Sequence[Input], options: TokenizingOptions, first: int) -> list[Row]:
    return tokenizer.encode(inputs, options, first)


def embeddings(values: Sequence[Floats], *, dimensions: int | None, normalize: bool) -> Floats:
    """``values`` as one matrix, cut to ``dimensions`` if given, then scaled to length 1 if ``normalize``."""
    stacked: Floats = np.ascontiguousarray(np.stack(values)[:, :dimensions])
    return unit(stacked) if normalize else stacked
