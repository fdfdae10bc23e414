"""A runtime and its starter that do as a test says."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from slipway_local.domain.launch import Launch
from slipway_local.domain.view import RuntimeReport


class FakeRuntime:
    """Ends when told to, unless it is ``stubborn``."""

    def __init__(self, pid: int, phase: str, *, stubborn: bool) -> None:
        self.pid = pid
        self.data_port = 1000 + pid
        self.log = Path("/log")
        self.phase = phase
        self.told: list[str] = []
        self._stubborn = stubborn
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(self, code: int) -> None:
        if not self._exit.done():
            self._exit.set_result(code)

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    async def report(self) -> RuntimeReport | None:
        return RuntimeReport(self.phase)

    def terminate(self) -> None:
        self.told.append("terminate")
        if not self._stubborn:
            self.end(0)

    def kill(self) -> None:
        self.told.append("kill")
        self.end(-9)

    def termination_message(self) -> str:
        return ""

    def last_words(self) -> tuple[str, ...]:
        return ("last word",)


@dataclass
class FakeStarter:
    """Starts runtimes that are in ``phase``; fails while ``error`` is set."""

    phase: str = "ready"
    stubborn: bool = False
    error: OSError | None = None
    started: list[FakeRuntime] = field(default_factory=list)

    async def start(self, launch: Launch) -> FakeRuntime:
        if self.error is not None:
            raise self.error
        self.started.append(FakeRuntime(len(self.started) + 1, self.phase, stubborn=self.stubborn))
        return self.started[-1]


@dataclass
class FakeActivity:
    """Says what it is told."""

    idle: float = 0.0

    def idle_seconds(self, model_name: str) -> float:
        return self.idle
