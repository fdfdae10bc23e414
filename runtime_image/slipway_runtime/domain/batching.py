"""Which waiting sequences to run together."""

from collections.abc import Sequence
from typing import Final

_CLOSE: Final = 16
"""Tokens by which lengths may always differ: below this, padding costs less than another run."""

_WORTH_SHARING: Final = 128
"""Tokens below which one batch is better than two at once: a run of fewer costs hardly less."""


def fair_share(waiting: int, max_tokens: int, workers: int) -> int:
    """Most tokens of the next batch while ``waiting`` tokens wait: so many that each of ``workers`` gets its part."""
    return min(max_tokens, max(_WORTH_SHARING, -(-waiting // workers)))


def choose_batch(lengths: Sequence[int], max_tokens: int, max_rows: int | None = None) -> list[int]:
    """Indices into ``lengths`` (oldest first) of the next batch, shortest first.

    The oldest is always in it, so nobody starves. The rest are those nearest to it in length, while all of them padded
    to the longest stay within ``max_tokens`` and the shortest has at least half the length of the longest, at most
    ``max_rows`` in all. Raises ValueError when nothing waits.
    """
    if not lengths:
        raise ValueError("nothing waits")
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    low = high = order.index(0)
    while max_rows is None or high - low + 1 < max_rows:
        below = lengths[order[low]] - lengths[order[low - 1]] if low > 0 else None
        above = lengths[order[high + 1]] - lengths[order[high]] if high + 1 < len(order) else None
        if below is None and above is None:
            break
        grow_up = below is None or (above is not None and above < below)
        new_low, new_high = (low, high + 1) if grow_up else (low - 1, high)
        shortest, longest = lengths[order[new_low]], lengths[order[new_high]]
        if (new_high - new_low + 1) * longest > max_tokens or longest > max(2 * shortest, shortest + _CLOSE):
            break
        low, high = new_low, new_high
    return order[low : high + 1]
