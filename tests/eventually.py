"""Waiting for something to become true, with the last seen state in the failure."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(what: str, look: Callable[[], T], holds: Callable[[T], bool], *, within: float, every: float = 0.1) -> T:
    """Look until ``holds``, for at most ``within`` seconds; return what was seen then.

    An exception of ``look`` counts as not yet. Raises AssertionError with the last thing seen.
    """
    deadline = time.monotonic() + within
    last: object
    while True:
        try:
            seen = look()
            if holds(seen):
                return seen
            last = seen
        except Exception as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:g} s; last seen: {last!r}")
        time.sleep(every)
