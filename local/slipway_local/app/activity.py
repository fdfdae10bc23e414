"""When each model was last used, as the router sees it."""

import time

from slipway_router.domain.models.activity import ModelActivity


class RouterActivity(ModelActivity):
    """The router's `Observer` and the runners' `Activity`. Models are known by their names."""

    def __init__(self) -> None:
        super().__init__(time.monotonic, lambda model: model.name)

    def idle_seconds(self, model_name: str) -> float:
        """Seconds since the last request for the model ended; 0 while one runs or waits; infinite before the first."""
        if self.active(model_name):
            return 0.0
        last = self.last_active(model_name)
        return float("inf") if last is None else time.monotonic() - last
