"""Which waiting sequences to run together."""

from collections.abc import Sequence
from typing import Final

_SMALLEST_SHARE: Final = 24
"""Tokens that are never shared out: two runs of so few cost much more than one."""


def fair_share(waiting: int, max_tokens: int, workers: int) -> int:
    """Most tokens of the next batch while ``waiting`` tokens wait: so many that each of ``workers`` gets its part.

    That a worker takes its part only, though the others may be busy, is for the callers' sake: all texts of a batch
    are done when its last is, and small batches cost little more than large ones.
    """
    return min(max_tokens, max(_SMALLEST_SHARE, -(-waiting // workers)))


def choose_batch(lengths: Sequence[int], max_tokens: int, run_tokens: int, max_rows: int | None = None) -> list[int]:
    """Indices into ``lengths`` (oldest first) of the next batch, shortest first.

    The oldest is always in it, so nobody starves. Of the batches that grow around it by the nearest length, it is the
    one that costs least for each of its tokens: a run costs ``run_tokens`` and, for each row, the longest length. All
    rows padded to the longest stay within ``max_tokens``, and there are at most ``max_rows``. Raises ValueError when
    nothing waits.
    """
    if not lengths:
        raise ValueError("nothing waits")
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    low = order.index(0)
    high = low + 1
    tokens = lengths[0]
    best, least = (low, high), (run_tokens + tokens) / tokens
    while high - low < min(len(order), max_rows or len(order)):
        low, high, added = _grown(lengths, order, low, high)
        tokens += added
        padded = (high - low) * lengths[order[high - 1]]
        if padded > max_tokens:
            break
        if (cost := (run_tokens + padded) / tokens) <= least:
            best, least = (low, high), cost
    return order[slice(*best)]


def _grown(lengths: Sequence[int], order: Sequence[int], low: int, high: int) -> tuple[int, int, int]:
    """``order[low:high]`` and the one beside it that is nearer in length: where it begins and ends, and that length."""
    below = lengths[order[low - 1]] if low > 0 else None
    above = lengths[order[high]] if high < len(order) else None
    if below is None or (above is not None and above - lengths[order[high - 1]] < lengths[order[low]] - below):
        assert above is not None, "all are in the batch"
        return low, high + 1, above
    return low - 1, high, below
