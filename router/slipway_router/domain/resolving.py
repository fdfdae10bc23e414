"""Steps: which model, may the caller use it, can it do what is asked, and can it do so now?"""

from slipway_router.domain.catalogue import CatalogueStore, Model
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Exchange

_RETRY_AFTER = 5
"""Seconds; a model that is being started is rarely there sooner."""


class ResolveModel:
    """Finds the model in the catalogue."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.model``.

        Raises:
            RequestError: 404, no model has that name.
        """
        model = self._store.current.by_name.get(exchange.model_name)
        if model is None:
            raise fail(
                ErrorCode.MODEL_NOT_FOUND,
                f"The model '{exchange.model_name}' does not exist. GET /v1/models lists the models of your key.",
                param="model",
            )
        exchange.model = model


def authorise(exchange: Exchange) -> None:
    """Refuse a model that is not on the key's allow-list.

    Raises:
        RequestError: 403.
    """
    if exchange.caller is None or not exchange.caller.may_call(exchange.model_name):
        raise fail(
            ErrorCode.MODEL_NOT_ALLOWED,
            f"Your API key does not open the model '{exchange.model_name}'. GET /v1/models lists those it opens.",
            param="model",
        )


def check_task(exchange: Exchange) -> None:
    """Refuse a task that the model cannot do.

    Raises:
        RequestError: 404.
    """
    model, task = exchange.model, exchange.route.task
    if model is None or task not in model.tasks:
        able = ", ".join(sorted(model.tasks)) if model else ""
        raise fail(
            ErrorCode.UNSUPPORTED_TASK,
            f"The model '{exchange.model_name}' does not do {task}. It does: {able}.",
            param="model",
        )


def check_available(exchange: Exchange) -> None:
    """Refuse a model that has no replica and that nothing will wake.

    Raises:
        RequestError: 503.
    """
    model = exchange.model
    if model is not None and not model.endpoints and not model.wakeable:
        raise unavailable(model)


def unavailable(model: Model) -> RequestError:
    """The error for a model that is known but does not serve."""
    why = model.reason or model.phase
    message = f"The model '{model.name}' is not ready{f' ({why})' if why else ''}. Try again later."
    return fail(ErrorCode.MODEL_UNAVAILABLE, message, retry_after=_RETRY_AFTER)
