"""Batches hold the oldest sequence and its neighbours in length, within the token budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_runtime.domain.batching import choose_batch, fair_share

RUN_TOKENS = 8
LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 4096))
def test_the_oldest_is_in_and_the_padded_batch_is_within_its_bound(lengths: list[int], budget: int) -> None:
    chosen = choose_batch(lengths, budget, RUN_TOKENS)
    longest = max(lengths[index] for index in chosen)
    assert 0 in chosen
    assert len(set(chosen)) == len(chosen)
    assert len(chosen) == 1 or len(chosen) * longest <= budget
    useful = sum(lengths[index] for index in chosen)
    alone = (RUN_TOKENS + lengths[0]) / lengths[0]
    assert (RUN_TOKENS + len(chosen) * longest) / useful <= alone
    assert [lengths[i] for i in chosen] == sorted(lengths[i] for i in chosen)


@given(LENGTHS)
def test_repeated_choice_runs_everything_once(lengths: list[int]) -> None:
    waiting = list(enumerate(lengths))
    ran: list[int] = []
    while waiting:
        chosen = set(choose_batch([length for _, length in waiting], 1024, RUN_TOKENS))
        ran += [waiting[index][0] for index in chosen]
        waiting = [item for index, item in enumerate(waiting) if index not in chosen]
    assert sorted(ran) == list(range(len(lengths)))


def test_long_and_short_are_not_padded_to_each_other() -> None:
    assert choose_batch([10, 256, 12, 250], 4096, RUN_TOKENS) == [0, 2]


@pytest.mark.parametrize(("run_tokens", "chosen"), [(1, [0, 1]), (8, [0, 1]), (200, [0, 1, 2])])
def test_padding_is_weighed_against_another_run(run_tokens: int, chosen: list[int]) -> None:
    assert choose_batch([10, 10, 20], 4096, run_tokens) == chosen


def test_nothing_waiting_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing waits"):
        choose_batch([], 10, RUN_TOKENS)


def test_no_more_rows_than_asked_for_are_run_together() -> None:
    assert choose_batch([10] * 8, 4096, RUN_TOKENS, max_rows=3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("waiting", "workers", "share"),
    [(5000, 2, 1024), (600, 2, 300), (600, 1, 600), (601, 2, 301), (60, 2, 30), (20, 2, 24)],
)
def test_what_waits_is_shared_by_all_workers_unless_it_is_very_little(waiting: int, workers: int, share: int) -> None:
    assert fair_share(waiting, 1024, workers) == share
