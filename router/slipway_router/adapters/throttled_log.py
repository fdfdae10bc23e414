"""Log lines that anybody's requests can bring about, without a line for each of them."""

import logging
import time
from collections.abc import Callable
from typing import Final

SECONDS: Final = 10.0
"""Between two lines."""


class ThrottledLog:
    """Tells the first of many failures at once, from then on one every ten seconds with the number of those between.

    Not for several threads.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._untold = 0
        self._again_at = float("-inf")

    def tell(self, level: int, message: str, *arguments: object) -> None:
        """Log ``message`` if it is time to; as `logging.Logger.log` otherwise."""
        now = self._clock()
        if now < self._again_at:
            self._untold += 1
            return
        if self._untold:
            message, arguments = f"{message} (and %d more since the last such line)", (*arguments, self._untold)
        self._untold, self._again_at = 0, now + SECONDS
        self._log.log(level, message, *arguments)
