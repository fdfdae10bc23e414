"""Loads and unloads models of a cluster: patches ``spec.lifecycle.suspend``, and the operator does the rest."""

import logging
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import GROUP, VERSION
from slipway_router.adapters.kube.connection import api_configuration
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.models.catalogue import Model

FIELD_MANAGER: Final = "slipway-router-admin"
_MERGE: Final = "application/merge-patch+json"
_TIMEOUT_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class ClusterModels:
    """A `ModelManager`. A model is suspended, or no longer so; nothing else of it changes."""

    async def load(self, model: Model) -> None:
        """As `ModelManager` says."""
        await self._suspend(model, suspended=False)

    async def unload(self, model: Model) -> None:
        """As `ModelManager` says."""
        await self._suspend(model, suspended=True)

    async def _suspend(self, model: Model, *, suspended: bool) -> None:
        body: dict[str, Any] = {"spec": {"lifecycle": {"suspend": suspended}}}
        try:
            async with client.ApiClient(await api_configuration()) as connection:
                await client.CustomObjectsApi(connection).patch_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    model.namespace,
                    ModelDeployment.plural,
                    model.name,
                    body,
                    field_manager=FIELD_MANAGER,
                    _content_type=_MERGE,
                    _request_timeout=_TIMEOUT_SECONDS,
                )
        except client.ApiException as error:
            raise _explained(model, error) from error
        except (aiohttp.ClientError, OSError, config.ConfigException) as error:
            _log.warning("suspending or resuming %s: the API server cannot be reached: %s", model.key, error)
            raise fail(ErrorCode.MANAGER_FAILED, "Kubernetes cannot be reached now. Try again.") from error


def _explained(model: Model, error: client.ApiException) -> RequestError:
    _log.warning("suspending or resuming %s: Kubernetes refuses: %s %s", model.key, error.status, error.reason)
    if error.status == HTTPStatus.NOT_FOUND:
        return fail(ErrorCode.MODEL_NOT_FOUND, f"The model '{model.name}' is gone.", param="model")
    if error.status == HTTPStatus.FORBIDDEN:
        message = "The router has no right to change ModelDeployments. Set router.adminApi.manageModels to true."
        return fail(ErrorCode.NOT_ENABLED, message)
    return fail(ErrorCode.MANAGER_FAILED, f"Kubernetes refused to change the model '{model.name}'.")
