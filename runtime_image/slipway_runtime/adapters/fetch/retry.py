"""Trying again, boundedly, what may work the next time."""

import logging
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.progress import Progress

log = logging.getLogger(__name__)

DELAYS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt."""
_JITTER: Final = 0.25

Result = TypeVar("Result")


class TransientError(Exception):
    """The attempt failed in a way that may pass."""


def with_retries(
    attempt: Callable[[], Result],
    what: str,
    progress: Progress,
    delays: tuple[float, ...] = DELAYS,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """The result of ``attempt``, repeated after each TransientError.

    An attempt that brought bytes does not use up the attempts: a long download may be interrupted often. Raises
    RuntimeFailure (FetchFailed) when ``delays`` are used up.
    """
    failed = 0
    while True:
        before = progress.fetched
        try:
            return attempt()
        except TransientError as error:
            failed = 1 if progress.fetched > before else failed + 1
            if failed > len(delays):
                message = f"{what} could not be fetched, after {failed} attempts in a row: {error}"
                raise RuntimeFailure(Reason.FETCH_FAILED, message) from error
            delay = delays[failed - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)
            log.warning("%s: %s; again in %.1f s", what, error, delay)
            progress.check()
            sleep(delay)
