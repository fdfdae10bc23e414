"""Loading and unloading of models at an admin's word."""

from typing import Protocol

from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.models.catalogue import Model


class ModelManager(Protocol):
    """Starts and stops models, each without touching the others."""

    async def load(self, model: Model) -> None:
        """Have a model started; returns before it serves. Raises `RequestError` if that cannot be asked for."""
        ...

    async def unload(self, model: Model) -> None:
        """Have a model stopped once its running requests are answered. Raises as `load` does."""
        ...


class NoManager:
    """Where admins may only look."""

    async def load(self, model: Model) -> None:
        """Refuse; raises `RequestError` (403)."""
        raise fail(ErrorCode.NOT_ENABLED, _NOT_ENABLED)

    async def unload(self, model: Model) -> None:
        """Refuse; raises `RequestError` (403)."""
        raise fail(ErrorCode.NOT_ENABLED, _NOT_ENABLED)


_NOT_ENABLED = (
    "Loading and unloading is not enabled. Set the chart's value router.adminApi.manageModels to true, "
    "or change spec.lifecycle.suspend with kubectl."
)
