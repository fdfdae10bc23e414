"""Steps: which model, may the caller use it, can it do what is asked, and can it do so now?"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from slipway_crds.conditions import Reason
from slipway_router.domain.api.dialects import Dialect
from slipway_router.domain.api.routes import Route, paths_of
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.catalogue import CatalogueStore, Model
from slipway_router.domain.models.provider import KeyLookup

_RETRY_AFTER: Final = 5
"""Seconds; a model that is being started is rarely there sooner."""
_MOST_NAMES: Final = 5
"""Names that an error message lists."""


class ResolveModel:
    """Finds the model in the catalogue."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.model``, and ``exchange.model_name`` if the request named none.

        Raises:
            RequestError: 404, no model has that name; 400, none is named and there are several.
        """
        if not exchange.model_name:
            exchange.model_name = self._only_name(exchange.route, exchange.caller)
        model = self._store.current.by_name.get(exchange.model_name)
        if model is None:
            raise fail(
                ErrorCode.MODEL_NOT_FOUND,
                f"The model '{exchange.model_name}' does not exist. GET /v1/models lists the models of your key.",
                param="model",
            )
        exchange.model = model

    def _only_name(self, route: Route, caller: Caller | None) -> str:
        """The name of the one model that the caller can mean."""
        names: dict[str, str] = {}
        for name, model in self._store.current.by_name.items():
            if caller is not None and route.operation in model.operations and caller.may_call(name):
                names.setdefault(model.key, name)
        if len(names) == 1:
            return next(iter(names.values()))
        if not names:
            message = f"No model of your key answers {route.path}. GET /v1/models lists what they do."
            raise fail(ErrorCode.UNSUPPORTED_TASK, message)
        message = (
            f"{route.path} names no model, and several of your key answer it: {_listed(names.values())}. "
            "Use /tei/MODEL as the base URL."
        )
        raise fail(ErrorCode.MISSING_FIELD, message)


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMES
    return ", ".join(ordered[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


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
    """Refuse what the model's tasks or its engine do not include.

    Raises:
        RequestError: 404.
    """
    model, route = exchange.model, exchange.route
    if model is None or route.operation not in model.operations:
        raise fail(ErrorCode.UNSUPPORTED_TASK, _unsupported(exchange.model_name, model, route), param="model")


def _unsupported(name: str, model: Model | None, route: Route) -> str:
    path = f"/tei/{name}{route.path}" if route.dialect is Dialect.TEI else route.path
    if model is None:
        return f"The model '{name}' does not answer {path}."
    tasks = ", ".join(sorted(model.tasks))
    paths = ", ".join(paths_of(model.operations)).replace("MODEL", name)
    return f"The model '{name}' does not answer {path}. It does {tasks}, at {paths}."


def check_available(exchange: Exchange) -> None:
    """Refuse a model that has no replica and that nothing will wake.

    Raises:
        RequestError: 503.
    """
    model = exchange.model
    if model is not None and not model.endpoints and not model.wakeable:
        raise unavailable(model)


class FindProviderKey:
    """Gets the key that an external model's provider wants."""

    def __init__(self, keys: KeyLookup) -> None:
        self._keys = keys

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.provider_key``.

        Raises:
            RequestError: 503, there is none.
        """
        model = exchange.model
        if model is None or model.provider is None or not model.provider.key_name:
            return
        key = self._keys(model.provider.key_name)
        if key is None and not model.provider.key_optional:
            raise unavailable(replace(model, reason=Reason.SECRET_NOT_FOUND))
        exchange.provider_key = key or ""


def unavailable(model: Model) -> RequestError:
    """The error for a model that is known but does not serve."""
    why = model.reason or model.phase
    message = f"The model '{model.name}' is not ready{f' ({why})' if why else ''}. Try again later."
    return fail(ErrorCode.MODEL_UNAVAILABLE, message, retry_after=_RETRY_AFTER)
