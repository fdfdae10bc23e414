"""What the supervisor asks of every engine, be it a process of its own or code in this one."""

from dataclasses import dataclass
from typing import Protocol

from slipway_crds.conditions import Reason


@dataclass(frozen=True)
class EngineExit:
    """How an engine ended."""

    returncode: int
    """As of a process: negative is the signal that ended it."""
    detail: str = ""
    """The engine's last words, for people."""
    reason: Reason = Reason.ENGINE_FAILED
    """The cause, where the engine tells it."""


class Engine(Protocol):
    """A model server on the data port.

    The supervisor calls ``start`` once, then ``wait`` and ``in_flight`` at any time, then ``stop``. An engine is never
    started twice: whoever wants another start ends the runtime and lets its owner begin anew.
    """

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given; None when the device is the one that was asked for."""

    async def start(self) -> None:
        """Load the weights and listen. Returns once requests are taken; raises RuntimeFailure when that cannot be."""

    async def wait(self) -> EngineExit:
        """Return when the engine has ended, for whatever cause."""

    async def in_flight(self) -> int:
        """Requests being worked on or waiting inside the engine."""

    async def metrics(self) -> str:
        """The engine's own metrics in Prometheus' text format, unchanged; empty when it has none."""

    async def stop(self) -> EngineExit:
        """End the engine, open requests included. May be called in any state, also before ``start``."""
