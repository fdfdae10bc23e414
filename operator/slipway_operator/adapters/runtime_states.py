"""The control API of runtimes in pods."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from slipway_crds.cold_start import StartPhase
from slipway_crds.names import CONTROL_PORT
from slipway_operator.adapters.control_ports import ask_runtime
from slipway_operator.domain.devices import DeviceReport
from slipway_operator.domain.runtime_state import RuntimeState

_LONGEST_ANSWER: Final = 64 * 1024
_LONGEST_WORDS: Final = 512
_LONGEST_SECONDS: Final = 365 * 24 * 3600
_DEVICES: Final = ("cpu", "cuda")
_PHASES: Final = (StartPhase.FETCHING, StartPhase.LOADING, StartPhase.WARMING, "ready", "draining", "failed")


class HttpRuntimeStates:
    """Asks over HTTP. Of an answer, only what fits is taken."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def state(self, ip: str) -> RuntimeState | None:
        """What the runtime at ``ip`` does; None when there was no answer."""
        state = await self._answer(ip)
        return _state(state) if state is not None else None

    async def in_flight(self, ip: str) -> int | None:
        """The requests that the runtime at ``ip`` works on; None when there was no answer."""
        requests = (await self._answer(ip) or {}).get("inFlight")
        return requests if isinstance(requests, int) else None

    async def _answer(self, ip: str) -> dict[str, Any] | None:
        body = await ask_runtime(self._session, ip, self._port, "/state", _LONGEST_ANSWER)
        try:
            state = json.loads(body) if body is not None else None
        except (ValueError, RecursionError):
            return None
        return state if isinstance(state, dict) else None


@asynccontextmanager
async def asking_runtimes(port: int = CONTROL_PORT) -> AsyncIterator[HttpRuntimeStates]:
    """An `HttpRuntimeStates` for the length of a ``with`` block. Runtimes are asked seldom: no connection is kept."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield HttpRuntimeStates(session, port)


def _state(state: dict[str, Any]) -> RuntimeState:
    phase, seconds = state.get("phase"), state.get("phaseSeconds")
    spent = {name: _seconds(seconds.get(name)) for name in StartPhase} if isinstance(seconds, dict) else {}
    return RuntimeState(
        _device(state),
        phase if isinstance(phase, str) and phase in _PHASES else "",
        {name: value for name, value in spent.items() if value is not None},
    )


def _seconds(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= _LONGEST_SECONDS else None


def _device(state: dict[str, Any]) -> DeviceReport:
    device, fallback = state.get("device"), state.get("deviceFallback")
    words = " ".join(fallback.split())[:_LONGEST_WORDS] if isinstance(fallback, str) else None
    return DeviceReport(device if device in _DEVICES else None, words or None)
