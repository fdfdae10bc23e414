"""The operator's own writes that its watches have not shown yet.

A pass may start between a write and its arrival on the watch. It would see the world as it was and write the same
again, so what was written is remembered until the object is seen to have changed, or for a short while.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from slipway_operator.domain.resources import Ref

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Written(Generic[T]):
    version_before: str | None
    value: T
    forget_at: float


class Expectations(Generic[T]):
    """Values last written to objects, grouped by the custom resource they belong to."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._owners: dict[Ref, dict[Ref, _Written[T]]] = {}

    def wrote(self, owner: Ref, ref: Ref, version_before: str | None, value: T) -> None:
        """``value`` was written to ``ref``, whose ``resourceVersion`` was seen as ``version_before`` (None: absent)."""
        written = _Written(version_before, value, self._clock() + self._seconds)
        self._owners.setdefault(owner, {})[ref] = written

    def pending(self, owner: Ref, ref: Ref, version_now: str | None) -> T | None:
        """What was written, while ``ref`` is still seen as it was before; None once it changed."""
        written = self._owners.get(owner, {}).get(ref)
        if written is None:
            return None
        if written.version_before != version_now or written.forget_at <= self._clock():
            del self._owners[owner][ref]
            return None
        return written.value

    def forget(self, owner: Ref) -> None:
        """The custom resource is gone."""
        self._owners.pop(owner, None)
