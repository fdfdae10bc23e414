"""What ``GET /state`` tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway_crds.conditions import Reason
from slipway_runtime.domain.phases import Phase


@dataclass(frozen=True)
class StateReport:
    """A runtime at one moment."""

    model: str
    engine: str
    device: str
    """``cpu`` or ``cuda``."""
    device_fallback: str | None
    """Why the CPU is used although GPUs were given."""
    phase: Phase
    phase_seconds: Mapping[Phase, float]
    bytes_fetched: int
    bytes_total: int | None
    """None while the size of the weights is not known."""
    in_flight: int
    error: tuple[Reason, str] | None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values, in camelCase as the custom resources."""
        return {
            "model": self.model,
            "engine": self.engine,
            "device": self.device,
            "deviceFallback": self.device_fallback,
            "phase": self.phase.value,
            "phaseSeconds": {phase.value: round(seconds, 3) for phase, seconds in self.phase_seconds.items()},
            "bytesFetched": self.bytes_fetched,
            "bytesTotal": self.bytes_total,
            "inFlight": self.in_flight,
            "error": None if self.error is None else {"reason": self.error[0].value, "message": self.error[1]},
        }
