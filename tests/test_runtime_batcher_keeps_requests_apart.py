"""The batcher runs sequences of many requests together, and one's failure or hang-up is not another's."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from slipway_runtime.adapters.onnx.batcher import Batcher, BatchLimits, Computed, Job
from slipway_runtime.adapters.onnx.metrics import BatchMetrics
from slipway_runtime.adapters.onnx.session import Floats
from slipway_runtime.adapters.onnx.tokenizer import Row
from slipway_runtime.domain.openai import ApiError


class Model:
    """Gives each sequence its first token as a vector; fails on token 13; waits while ``gate`` is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def run(self, rows: Sequence[Row]) -> list[Floats]:
        self.entered.set()
        assert self.gate.wait(5)
        self.batches.append(sorted(row.ids[0] for row in rows))
        if any(13 in row.ids for row in rows):
            raise ArithmeticError("thirteen")
        return list(np.array([[row.ids[0]] for row in rows], dtype=np.float32))


def rows(*firsts: int, length: int = 1) -> list[Row]:
    return [Row([first] * length) for first in firsts]


async def submit(batcher: Batcher, wanted: Sequence[Row]) -> Computed:
    return await batcher.submit(lambda job: batcher.enqueue(job, wanted))


@contextmanager
def batching(
    model: Model, max_batch_tokens: int = 100, max_queue_tokens: int = 100, workers: int = 1
) -> Iterator[Batcher]:
    limits = BatchLimits(max_batch_tokens, max_queue_tokens, run_tokens=8, workers=workers)
    batcher = Batcher(model.run, limits, BatchMetrics(CollectorRegistry()))
    try:
        yield batcher
    finally:
        model.gate.set()
        batcher.close()


async def close_gate_behind(model: Model, batcher: Batcher) -> "asyncio.Task[Computed]":
    """Occupy the model, so that what is submitted next waits together."""
    model.gate.clear()
    first = asyncio.create_task(submit(batcher, rows(1)))
    await asyncio.to_thread(model.entered.wait, 5)
    return first


async def test_waiting_requests_run_together_and_get_their_own_vectors() -> None:
    model = Model()
    with batching(model) as batcher:
        first = await close_gate_behind(model, batcher)
        others = [asyncio.create_task(submit(batcher, rows(n, n + 1))) for n in (20, 30)]
        await asyncio.sleep(0)
        model.gate.set()
        assert [float(vector[0]) for task in (first, *others) for vector in (await task).values] == [1, 20, 21, 30, 31]
    assert model.batches == [[1], [20, 21, 30, 31]]


async def test_a_failed_batch_fails_its_requests_and_no_later_one() -> None:
    model = Model()
    with batching(model) as batcher:
        with pytest.raises(ArithmeticError):
            await submit(batcher, rows(13))
        assert [float(vector[0]) for vector in (await submit(batcher, rows(5))).values] == [5]


async def test_what_was_given_up_is_not_run() -> None:
    model = Model()
    with batching(model) as batcher:
        first = await close_gate_behind(model, batcher)
        gone = asyncio.create_task(submit(batcher, rows(40)))
        stays = asyncio.create_task(submit(batcher, rows(50)))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        model.gate.set()
        await first
        await stays
    assert model.batches == [[1], [50]]


async def test_what_was_given_up_before_it_was_in_line_is_not_run() -> None:
    model = Model()
    prepared: list[Job] = []
    with batching(model) as batcher:
        gone = asyncio.create_task(batcher.submit(prepared.append))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        batcher.enqueue(prepared[0], rows(40))
        await submit(batcher, rows(50))
    assert model.batches == [[50]]


async def test_a_request_fails_with_what_it_was_broken_off_with() -> None:
    model = Model()
    with batching(model) as batcher, pytest.raises(ApiError, match="too long"):
        await batcher.submit(lambda job: batcher.break_off(job, ApiError(400, "too long")))
    assert model.batches == []


async def test_what_a_failed_request_still_waits_for_is_not_run() -> None:
    model = Model()
    with batching(model, max_batch_tokens=10) as batcher:
        with pytest.raises(ArithmeticError):
            await submit(batcher, [*rows(13, length=10), *rows(*range(60, 90), length=10)])
        assert [float(vector[0]) for vector in (await submit(batcher, rows(5))).values] == [5]
    assert len(model.batches) < 30


async def test_several_batches_run_at_once_and_results_keep_their_order() -> None:
    model = Model()
    with batching(model, max_batch_tokens=50, max_queue_tokens=1000, workers=3) as batcher:
        many = [asyncio.create_task(submit(batcher, rows(*range(n, n + 40)))) for n in (100, 200, 300)]
        for first, task in zip((100, 200, 300), many, strict=True):
            assert [int(vector[0]) for vector in (await task).values] == list(range(first, first + 40))


async def test_a_full_queue_refuses_with_429_but_a_large_request_alone_is_taken() -> None:
    model = Model()
    with batching(model, max_queue_tokens=5) as batcher:
        first = await close_gate_behind(model, batcher)
        large = asyncio.create_task(submit(batcher, rows(7, length=10)))
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as raised:
            await submit(batcher, rows(8))
        model.gate.set()
        await first
        assert len((await large).values) == 1
    assert (raised.value.status, raised.value.retry_after) == (429, 1)
