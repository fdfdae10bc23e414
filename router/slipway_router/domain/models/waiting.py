"""Requests that wait for a sleeping model, within bounds."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.models.catalogue import Model

MAX_WAITING_BYTES: Final = 256 * 1024 * 1024
"""Bodies of all waiting requests together."""


class WaitingRoom:
    """Counts waiting requests by model, and their bytes in all."""

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: Counter[str] = Counter()

    def waiting(self, model_key: str) -> int:
        """Requests that wait for the model ``model_key``."""
        return self._waiting[model_key]

    @contextmanager
    def seat(self, model: Model, size: int) -> Iterator[None]:
        """A place for a request of ``size`` bytes.

        Raises:
            RequestError: 503, too many wait already.
        """
        full = self._waiting[model.key] >= model.policy.hold_length or self._bytes + size > self._max_bytes
        if full:
            message = f"Too many requests wait for the model '{model.name}' to start."
            raise fail(ErrorCode.TOO_MANY_WAITING, message, retry_after=10)
        self._waiting[model.key] += 1
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size
            self._waiting[model.key] -= 1
            if not self._waiting[model.key]:
                del self._waiting[model.key]
