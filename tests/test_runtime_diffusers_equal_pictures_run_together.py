"""Waiting pictures with the oldest's settings make the next run, as many as give each its own bytes."""

from dataclasses import replace

import pytest

from slipway_runtime.domain.images import Operation, Settings
from slipway_runtime.domain.images_batching import choose_equal, largest_exact

SMALL = Settings(Operation.GENERATE, 64, 64, 20, 7.5, negative=False)
LARGE = replace(SMALL, width=128)


def test_the_oldest_is_joined_by_those_like_it_in_their_order() -> None:
    assert choose_equal([SMALL, LARGE, SMALL, LARGE, SMALL], most=4) == [0, 2, 4]


def test_a_run_has_at_most_so_many() -> None:
    assert choose_equal([SMALL] * 5, most=2) == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        replace(SMALL, height=128),
        replace(SMALL, steps=21),
        replace(SMALL, guidance=1.0),
        replace(SMALL, negative=True),
        replace(SMALL, operation=Operation.EDIT, strength=0.8),
    ],
)
def test_what_differs_runs_by_itself(other: Settings) -> None:
    assert choose_equal([SMALL, other], most=4) == [0]


def test_nothing_to_choose_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing waits"):
        choose_equal([], most=4)


def test_a_run_shrinks_until_it_is_exact() -> None:
    assert largest_exact(4, lambda count: True) == 4
    assert largest_exact(4, lambda count: count <= 2) == 2
    assert largest_exact(7, lambda count: count <= 3) == 3
    assert largest_exact(4, lambda count: False) == 1
