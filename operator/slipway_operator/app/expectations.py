"""The operator's own writes that its watches have not shown yet.

A pass may start between a write and its arrival on the watch. It would see the world as it was and write the same
again, so what was written is remembered until the object is seen to have changed, or for a short while.
"""

from collections.abc import Callable, Mapping
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

    def observe(self, owner: Ref, versions: Mapping[Ref, str]) -> None:
        """Forget the writes that show by now: ``versions`` are the ``resourceVersion`` of all that is seen."""
        now = self._clock()
        kept = {
            ref: written
            for ref, written in self._owners.pop(owner, {}).items()
            if versions.get(ref) == written.version_before and now < written.forget_at
        }
        if kept:
            self._owners[owner] = kept

    def pending(self, owner: Ref, ref: Ref) -> T | None:
        """What was written to ``ref`` and does not show yet, as of the last `observe`."""
        written = self._owners.get(owner, {}).get(ref)
        return written.value if written is not None else None

    def forget(self, owner: Ref) -> None:
        """The custom resource is gone."""
        self._owners.pop(owner, None)
