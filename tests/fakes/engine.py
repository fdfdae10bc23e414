"""An engine that does what a test tells it."""

import asyncio

from slipway_runtime.domain.engine import EngineExit


class FakeEngine:
    """An ``Engine`` without a model."""

    device = "cpu"
    device_fallback: str | None = None

    def __init__(self) -> None:
        self._exit: asyncio.Future[EngineExit] = asyncio.get_running_loop().create_future()
        self.starts = 0
        self.requests = 0

    async def start(self) -> None:
        self.starts += 1

    async def wait(self) -> EngineExit:
        return await asyncio.shield(self._exit)

    async def in_flight(self) -> int:
        return self.requests

    async def metrics(self) -> str:
        return ""

    async def stop(self) -> EngineExit:
        self.end(EngineExit(0))
        return await self.wait()

    def end(self, how: EngineExit) -> None:
        """The engine ends by itself."""
        if not self._exit.done():
            self._exit.set_result(how)
