"""Threads that compute batches have a lower priority than those that answer callers."""

import os
import sys
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from slipway_runtime.adapters.onnx.batcher import Batcher, BatchLimits
from slipway_runtime.adapters.onnx.metrics import BatchMetrics
from slipway_runtime.adapters.onnx.session import Floats
from slipway_runtime.adapters.onnx.tokenizer import Row

NICEST = 19


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux only")
async def test_a_batch_runs_nicer_than_the_thread_that_asked_for_it() -> None:
    seen: list[int] = []

    def run(rows: Sequence[Row]) -> list[Floats]:
        seen.append(niceness())
        return [np.zeros(1, dtype=np.float32) for _ in rows]

    before = niceness()
    batcher = Batcher(run, BatchLimits(100, 100, run_tokens=8), BatchMetrics(CollectorRegistry()))
    try:
        await batcher.submit(lambda job: batcher.enqueue(job, [Row([1])]))
    finally:
        batcher.close()
    assert seen == [min(before + 10, NICEST)]
    assert niceness() == before
