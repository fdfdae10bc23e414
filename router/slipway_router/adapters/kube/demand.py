"""Tells the cluster which models are wanted: writes ``status.demand`` of models that may sleep."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from slipway_crds.model_deployment import Demand as DemandStatus
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import FIELD_MANAGER_ROUTER, GROUP, VERSION
from slipway_router.adapters.kube.connection import api_configuration
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.activity import ModelActivity
from slipway_router.domain.models.catalogue import CatalogueStore, Model
from slipway_router.domain.models.demand import Demand, DemandBook

_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_TIMEOUT_SECONDS: Final = 5.0
_CREDENTIALS_SECONDS: Final = 30.0
_CONNECTIONS: Final = 2
"""To the API server. Opening one takes as long as a write; many models at once are told sooner over few."""
_MERGE: Final = "application/merge-patch+json"

_log = logging.getLogger(__name__)


class DemandWriter:
    """The router's `Waker` and `Observer` on Kubernetes. Belongs to one event loop."""

    def __init__(self, catalogue: CatalogueStore) -> None:
        self._catalogue = catalogue
        self._activity = ModelActivity(time.time, lambda model: None if model.sleep_after is None else model.key)
        self._book = DemandBook()
        self._woken = asyncio.Event()
        self._telling: set[str] = set()
        self._not_before: dict[str, float] = {}
        """When to try again, of models whose demand could not be told."""

    def wake(self, model: Model) -> None:
        """Have the demand for ``model`` told at once."""
        self._woken.set()

    def begun(self, exchange: Exchange) -> None:
        """As `Observer` says."""
        self._activity.begun(exchange)

    def ended(self, exchange: Exchange) -> None:
        """As `Observer` says."""
        self._activity.ended(exchange)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell for the length of the block."""
        work = asyncio.create_task(self._run())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _run(self) -> None:
        configuration = await _credentials()
        configuration.connection_pool_maxsize = _CONNECTIONS
        async with client.ApiClient(configuration) as connection, asyncio.TaskGroup() as group:
            api = client.CustomObjectsApi(connection)
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._woken.wait()
                self._woken.clear()
                for model, demand in self._due():
                    self._telling.add(model.key)
                    group.create_task(self._tell(api, model, demand))

    def _due(self) -> Iterator[tuple[Model, Demand]]:
        now = time.time()
        models = [model for model in self._catalogue.current.models if model.sleep_after is not None]
        self._book.keep({model.key for model in models})
        for model in models:
            if model.key in self._telling or self._not_before.get(model.key, 0.0) > now:
                continue
            active, last = self._activity.active(model.key), self._activity.last_active(model.key)
            demand = self._book.due(model, active, last, now)
            if demand is not None:
                yield model, demand

    async def _tell(self, api: client.CustomObjectsApi, model: Model, demand: Demand) -> None:
        try:
            await api.patch_namespaced_custom_object_status(
                GROUP,
                VERSION,
                model.namespace,
                ModelDeployment.plural,
                model.name,
                _body(demand),
                field_manager=FIELD_MANAGER_ROUTER,
                _content_type=_MERGE,
                _request_timeout=_TIMEOUT_SECONDS,
            )
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                self._put_off(model, f"{error.status} {error.reason}")
        except (aiohttp.ClientError, OSError) as error:
            self._put_off(model, f"{type(error).__name__}: {error}")
        else:
            self._not_before.pop(model.key, None)
            self._book.told(model, demand, time.time())
        finally:
            self._telling.discard(model.key)

    def _put_off(self, model: Model, why: str) -> None:
        _log.warning("the demand for %s cannot be told, so that it may not wake: %s", model.key, why)
        self._not_before[model.key] = time.time() + _RETRY_SECONDS


async def _credentials() -> client.Configuration:
    """Those for the API server, once there are any."""
    while True:
        try:
            return await api_configuration()
        except config.ConfigException as error:
            _log.warning("models cannot be woken: no credentials for the API server: %s", error)
            await asyncio.sleep(_CREDENTIALS_SECONDS)


def _body(demand: Demand) -> dict[str, Any]:
    moment = datetime.fromtimestamp(demand.last_active, UTC)
    return {"status": {"demand": DemandStatus(last_active_at=moment, waiting=demand.waiting).to_dict()}}
