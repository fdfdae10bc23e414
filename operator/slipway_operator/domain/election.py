"""Who may act: the rules of a ``coordination.k8s.io`` Lease, as client-go's leader election has them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_MICRO_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class LeaseTiming:
    """Seconds. A holder that cannot renew within ``renew_deadline`` stops; others take over after ``duration``.

    The difference between the two is what keeps two holders from overlapping.
    """

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0


@dataclass(frozen=True)
class LeaseRecord:
    """The spec of a Lease."""

    holder: str
    """Empty when it was given back."""
    duration_seconds: int
    acquired: str
    renewed: str
    transitions: int

    def to_spec(self) -> dict[str, Any]:
        """As the Lease says it."""
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration_seconds,
            "acquireTime": self.acquired,
            "renewTime": self.renewed,
            "leaseTransitions": self.transitions,
        }

    @classmethod
    def of_spec(cls, spec: dict[str, Any]) -> "LeaseRecord":
        """From a Lease that anybody may have written."""
        return cls(
            holder=spec.get("holderIdentity") or "",
            duration_seconds=spec.get("leaseDurationSeconds") or 0,
            acquired=spec.get("acquireTime") or "",
            renewed=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
        )


def may_take(record: LeaseRecord, identity: str, unchanged_for: float) -> bool:
    """Whether ``identity`` may take the Lease, which this process has seen unchanged for so many seconds.

    The times in the record are not compared with a local clock: clocks of nodes differ.
    """
    return record.holder in ("", identity) or unchanged_for > record.duration_seconds


def taken(record: LeaseRecord | None, identity: str, timing: LeaseTiming, now: datetime) -> LeaseRecord:
    """The record after ``identity`` takes or renews it."""
    moment = now.astimezone(UTC).strftime(_MICRO_TIME)
    held = record is not None and record.holder == identity
    return LeaseRecord(
        holder=identity,
        duration_seconds=max(1, round(timing.duration)),
        acquired=record.acquired if record is not None and held else moment,
        renewed=moment,
        transitions=record.transitions + (0 if held else 1) if record is not None else 0,
    )


def released(record: LeaseRecord, now: datetime) -> LeaseRecord:
    """The record after its holder gave it back: anybody may take it at once."""
    moment = now.astimezone(UTC).strftime(_MICRO_TIME)
    return LeaseRecord("", 1, record.acquired, moment, record.transitions)
