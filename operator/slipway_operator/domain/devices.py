"""What the pods of a model compute on, as their runtimes report it."""

from dataclasses import dataclass
from typing import Final

CPU: Final = "cpu"


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One runtime's answer; empty when it gave none."""

    device: str | None = None
    """``cpu`` or ``cuda``."""
    fallback: str | None = None
    """Why it is the CPU although the pod has GPUs."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is known of all ready pods of a model."""

    reports: tuple[DeviceReport, ...] = ()
    pending: bool = False
    """Whether an answer is still to come."""

    @property
    def device(self) -> str | None:
        """The device of the pods; the CPU if any of them runs on it."""
        devices = {report.device for report in self.reports if report.device is not None}
        return CPU if CPU in devices else min(devices, default=None)

    @property
    def fallen_back(self) -> tuple[int, str] | None:
        """How many pods run on the CPU against the wish, and the first one's reason."""
        reasons = [report.fallback for report in self.reports if report.fallback is not None]
        return (len(reasons), reasons[0]) if reasons else None
