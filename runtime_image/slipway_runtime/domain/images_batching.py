"""Which waiting pictures to make in one run."""

from collections.abc import Callable, Sequence

from slipway_runtime.domain.images import Settings


def choose_equal(waiting: Sequence[Settings], most: int) -> list[int]:
    """Indices into ``waiting`` (oldest first) of those that may run with the oldest: equal settings, at most ``most``.

    The oldest is always in it, so nobody starves. Raises ValueError when nothing waits.
    """
    if not waiting:
        raise ValueError("nothing waits")
    equal = [index for index, settings in enumerate(waiting) if settings == waiting[0]]
    return equal[:most]


def largest_exact(wanted: int, is_exact: Callable[[int], bool]) -> int:
    """The largest of ``wanted``, its half, its quarter … that ``is_exact``; 1 always is."""
    size = wanted
    while size > 1 and not is_exact(size):
        size //= 2
    return size
