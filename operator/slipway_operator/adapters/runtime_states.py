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
        body = await ask_runtime(self._session, ip, self._port, "/state", _LONGEST_ANSWER)
        try:
            return _report(json.loads(body)) if body is not None else None
        except (ValueError, RecursionError):
            return None


@asynccontextmanager
async def asking_runtimes(port: int = CONTROL_PORT) -> AsyncIterator[HttpRuntimeStates]:
    """An `HttpRuntimeStates` for the length of a ``with`` block. Each runtime is asked once: no connection is kept."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield HttpRuntimeStates(session, port)


def _report(state: Any) -> DeviceReport | None:
    if not isinstance(state, dict):
        return None
    device, fallback = state.get("device"), state.get("deviceFallback")
    words = " ".join(fallback.split())[:_LONGEST_WORDS] if isinstance(fallback, str) else None
    return DeviceReport(device if device in _DEVICES else None, words or None)
