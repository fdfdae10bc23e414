"""``/admin``: what models do and did, and their loading and unloading."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.responses import Response

from slipway_router.adapters.api.dispatch import Call, Handlers, json_response
from slipway_router.adapters.api.numbers import numbers_of
from slipway_router.domain.api.management import ManageRequest
from slipway_router.domain.api.managing import ModelManager
from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.models.catalogue import CatalogueStore, Model


@dataclass(frozen=True, slots=True)
class Load:
    """How busy models are, by ``namespace/name``."""

    in_flight: Callable[[Model], int]
    waiting: Callable[[Model], int]


class AdminApi:
    """Its calls."""

    def __init__(self, store: CatalogueStore, load: Load, registry: CollectorRegistry, manager: ModelManager) -> None:
        self._store = store
        self._load = load
        self._registry = registry
        self._manager = manager

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {
            "admin_models": self._models,
            "load_model": self._start,
            "unload_model": self._stop,
            "admin_metrics": self._metrics,
        }

    async def _models(self, call: Call) -> Response:
        return json_response({"models": [self._entry(model) for model in self._store.current.models]})

    async def _metrics(self, call: Call) -> Response:
        return json_response({"models": numbers_of(self._registry)})

    async def _start(self, call: Call) -> Response:
        model = self._named(call.body)
        await self._manager.load(model)
        return self._asked(model)

    async def _stop(self, call: Call) -> Response:
        model = self._named(call.body)
        await self._manager.unload(model)
        return self._asked(model)

    def _named(self, body: ManageRequest) -> Model:
        catalogue = self._store.current
        by_key = {model.key: model for model in catalogue.models}
        model = by_key.get(body.model) or catalogue.by_name.get(body.model)
        if model is None:
            message = f"The model '{body.model}' does not exist. GET /admin/models lists them."
            raise fail(ErrorCode.MODEL_NOT_FOUND, message, param="model")
        return model

    def _asked(self, model: Model) -> Response:
        now = next((each for each in self._store.current.models if each.key == model.key), model)
        return json_response({"model": now.key, "state": now.state}, 202)

    def _entry(self, model: Model) -> dict[str, Any]:
        return {
            "name": model.name,
            "namespace": model.namespace,
            "served_names": list(model.served_names),
            "engine": model.engine,
            "device": model.device,
            "tasks": sorted(model.tasks),
            "state": model.state,
            "reason": model.reason,
            "replicas": len(model.endpoints),
            "in_flight": self._load.in_flight(model),
            "waiting": self._load.waiting(model),
        }
