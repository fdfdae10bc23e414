"""What is known of one model at one moment, for the router's catalogue and for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from slipway_local.domain.world import Problem


class Status(StrEnum):
    """Where a model is. A failed one falls asleep again after a while, so that a request may try once more."""

    ASLEEP = "asleep"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"
    BLOCKED = "blocked"
    EXTERNAL = "external"
    """Somebody else serves it."""


@dataclass(frozen=True)
class RuntimeReport:
    """The answer of a runtime's ``GET /state``, as far as local mode reads it."""

    phase: str
    phase_seconds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    bytes_fetched: int = 0
    bytes_total: int | None = None
    in_flight: int = 0
    problem: Problem | None = None
    device: str = ""
    """``cpu`` or ``cuda``."""
    device_fallback: str | None = None
    """Why it is the CPU although the runtime was given GPUs."""


@dataclass(frozen=True)
class ModelView:
    """One model. ``since`` is on the monotonic clock."""

    name: str
    engine: str
    status: Status = Status.ASLEEP
    since: float = 0.0
    """When the process was started or, without one, when the status began."""
    report: RuntimeReport | None = None
    """The runtime's latest word."""
    port: int | None = None
    """Data port, while ready."""
    pid: int | None = None
    start_seconds: float = 0.0
    """From start to ready, of a model that is ready."""
    problem: Problem | None = None
    """Why it failed or cannot be tried; kept while it sleeps after a failure."""
    log: Path | None = None
    provider: str = ""
    """Where requests for an external model go."""
    last_words: tuple[str, ...] = ()
    """End of the log of a runtime that failed."""

    @property
    def phase(self) -> str:
        """The runtime's own phase while it starts, else the status."""
        if self.status is Status.STARTING:
            return self.report.phase if self.report else "starting"
        return self.status.value

    @property
    def wakeable(self) -> bool:
        """Whether a request may wait for it."""
        return self.status in (Status.ASLEEP, Status.STARTING, Status.STOPPING)
