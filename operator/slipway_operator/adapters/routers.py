"""The routers' pods, as the operator has to do with them."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from slipway_crds.names import ANNOTATION_PROVIDER_KEYS, FIELD_MANAGER_OPERATOR
from slipway_operator.adapters.kube_api import MERGE
from slipway_operator.domain.errors import ClusterError, NotFoundError
from slipway_operator.domain.resources import POD

_log: Final = logging.getLogger(__name__)


class Requests(Protocol):
    """What this needs of the API server."""

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = ..., **query: str
    ) -> dict[str, Any]:
        """The answer; raises `ClusterError` for any but a good one."""
        ...


class KubernetesRouters:
    """Reaches routers through an annotation of their pods."""

    def __init__(self, api: Requests, namespace: str, selector: str) -> None:
        self._api = api
        self._namespace = namespace
        self._selector = selector

    async def show_provider_keys(self, version: str) -> None:
        """Have the kubelets show the provider keys of this ``resourceVersion``.

        A kubelet looks at what a pod mounts when the pod changes, and otherwise about once a minute
        (https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically). A failure
        is told and costs no more than that minute.
        """
        try:
            pods = await self._api.request("GET", POD.path(self._namespace), labelSelector=self._selector)
            await asyncio.gather(*(self._annotate(pod, version) for pod in pods["items"]))
        except ClusterError as error:
            _log.warning("routers get the keys of providers when their kubelets look next: %s", error)

    async def _annotate(self, pod: Mapping[str, Any], version: str) -> None:
        body = {"metadata": {"annotations": {ANNOTATION_PROVIDER_KEYS: version}}}
        path = POD.path(self._namespace, pod["metadata"]["name"])
        try:
            await self._api.request("PATCH", path, body, content_type=MERGE, fieldManager=FIELD_MANAGER_OPERATOR)
        except NotFoundError:
            return  # Gone meanwhile; the next one mounts what there is.
