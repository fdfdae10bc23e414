"""When each model was last used, as the router sees it."""

import time

from slipway_router.domain.exchange import Exchange


class RouterActivity:
    """Follows the router's requests. The router's `Observer` and the runners' `Activity`."""

    def __init__(self) -> None:
        self._running: dict[int, str] = {}
        self._last_end: dict[str, float] = {}

    def begun(self, exchange: Exchange) -> None:
        """Note a request that runs or waits."""
        if exchange.model is not None:
            self._running[id(exchange)] = exchange.model.name

    def ended(self, exchange: Exchange) -> None:
        """Note its end."""
        name = self._running.pop(id(exchange), None)
        if name is not None:
            self._last_end[name] = time.monotonic()

    def idle_seconds(self, model_name: str) -> float:
        """Seconds since the last request for the model ended; 0 while one runs or waits; infinite before the first."""
        if model_name in self._running.values():
            return 0.0
        last = self._last_end.get(model_name)
        return float("inf") if last is None else time.monotonic() - last
