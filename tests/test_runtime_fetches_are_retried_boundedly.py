"""A fetch is tried again only while that can help, with growing pauses."""

from collections.abc import Callable

import pytest

from slipway_crds.conditions import Reason
from slipway_runtime.adapters.fetch.retry import DELAYS, TransientError, with_retries
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.progress import FetchCancelled, Progress


def failing(times: int, progress: Progress, bytes_each: int = 0) -> Callable[[], str]:
    left = iter(range(times))

    def attempt() -> str:
        if next(left, None) is None:
            return "done"
        progress.fetched += bytes_each
        raise TransientError("connection reset")

    return attempt


def test_pauses_grow_and_the_last_error_is_told() -> None:
    slept: list[float] = []
    with pytest.raises(RuntimeFailure, match="m could not be fetched, after 6 attempts in a row: connection") as raised:
        with_retries(failing(99, Progress()), "m", Progress(), sleep=slept.append)
    assert raised.value.reason is Reason.FETCH_FAILED
    assert len(slept) == len(DELAYS)
    assert all(0.75 * delay <= pause <= 1.25 * delay for delay, pause in zip(DELAYS, slept, strict=True))


def test_attempts_that_bring_bytes_are_not_counted() -> None:
    progress = Progress()
    assert with_retries(failing(50, progress, bytes_each=1), "m", progress, sleep=lambda _: None) == "done"


def test_a_cancelled_fetch_is_not_tried_again() -> None:
    progress = Progress(cancelled=True)
    with pytest.raises(FetchCancelled):
        with_retries(failing(1, progress), "m", progress, sleep=lambda _: None)
