"""The control API of runtimes in pods."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from slipway_crds.names import CONTROL_PORT
from slipway_operator.adapters.control_ports import ask_runtime
from slipway_operator.domain.devices import DeviceReport

_LONGEST_ANSWER: Final = 64 * 1024
_LONGEST_WORDS: Final = 512
_DEVICES: Final = ("cpu", "cuda")


class HttpRuntimeStates:
    """Asks over HTTP. Of an answer, only what fits is taken."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def device(self, ip: str) -> DeviceReport | None:
        """The device of the runtime at ``ip``; None when there was no answer."""
        state = await self._state(ip)
        return _report(state) if state is not None else None

    async def in_flight(self, ip: str) -> int | None:
        """The requests that the runtime at ``ip`` works on; None when there was no answer."""
        requests = (await self._state(ip) or {}).get("inFlight")
        return requests if isinstance(requests, int) else None

    async def _state(self, ip: str) -> dict[str, Any] | None:
        body = await ask_runtime(self._session, ip, self._port, "/state", _LONGEST_ANSWER)
        try:
            state = json.loads(body) if body is not None else None
        except (ValueError, RecursionError):
            return None
        return state if isinstance(state, dict) else None


@asynccontextmanager
async def asking_runtimes(port: int = CONTROL_PORT) -> AsyncIterator[HttpRuntimeStates]:
    """An `HttpRuntimeStates` for the length of a ``with`` block. Each runtime is asked once: no connection is kept."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield HttpRuntimeStates(session, port)


def _report(state: dict[str, Any]) -> DeviceReport:
    device, fallback = state.get("device"), state.get("deviceFallback")
    words = " ".join(fallback.split())[:_LONGEST_WORDS] if isinstance(fallback, str) else None
    return DeviceReport(device if device in _DEVICES else None, words or None)
