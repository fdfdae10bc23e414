"""Waiting with a deadline."""

import time
from collections.abc import Callable

from tests.cluster.errors import ClusterError

Probe = Callable[[], str | None]
"""Returns ``None`` when satisfied, else what was seen instead. May raise :class:`ClusterError` to give up at once."""


def wait_for(what: str, probe: Probe, *, seconds: float, interval: float = 0.2) -> None:
    """Call ``probe`` until it is satisfied; raise :class:`ClusterError` with the last thing seen after ``seconds``."""
    deadline = time.monotonic() + seconds
    while (seen := probe()) is not None:
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not reached within {seconds:g} s; last seen: {seen}")
        time.sleep(interval)
