"""Whether KEDA is in the cluster, and the ScaledObjects that it scales models by."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

from slipway_crds.names import MANAGED_BY_SELECTOR
from slipway_operator.domain.errors import ClusterError, ConflictError, NotFoundError
from slipway_operator.domain.resources import SCALED_OBJECT

_log: Final = logging.getLogger(__name__)
_ARRIVAL_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 5.0
_GROUP_VERSION: Final = f"/apis/{SCALED_OBJECT.api_version}"


class Requests(Protocol):
    """What this needs of the API server."""

    async def request(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """The answer; raises `ClusterError` for any but a good one."""
        ...


async def keda_served(api: Requests) -> bool:
    """Whether the API server knows ScaledObjects; no when it does not answer."""
    try:
        return await _served(api)
    except ClusterError:
        return False


async def keda_arrives(api: Requests, interval: float = _ARRIVAL_SECONDS) -> None:
    """Return once the API server knows ScaledObjects."""
    served = await keda_served(api)
    while not served:
        await asyncio.sleep(interval)
        served = await keda_served(api)


async def remove_scaled_objects(api: Requests, namespaces: Sequence[str], retry: float = _RETRY_SECONDS) -> None:
    """Delete those of Slipway's that an operator made which KEDA was to scale models for; no namespaces means all.

    Two autoscalers of one Deployment would work against each other. Without KEDA there are none.
    """
    while True:
        try:
            for namespace in (namespaces or ("",)) if await _served(api) else ():
                await _remove(api, namespace)
            return
        except ClusterError as error:
            _log.warning("cannot remove the ScaledObjects of models, which KEDA may go on to scale: %s", error)
        await asyncio.sleep(retry)


async def _served(api: Requests) -> bool:
    try:
        answer = await api.request("GET", _GROUP_VERSION)
    except NotFoundError:
        return False
    return any(resource["name"] == SCALED_OBJECT.plural for resource in answer.get("resources", ()))


async def _remove(api: Requests, namespace: str) -> None:
    place = f"/namespaces/{namespace}" if namespace else ""
    path = f"{_GROUP_VERSION}{place}/{SCALED_OBJECT.plural}"
    listed = await api.request("GET", path, labelSelector=MANAGED_BY_SELECTOR)
    for item in listed["items"]:
        metadata = item["metadata"]
        try:
            of_this_one = {"preconditions": {"uid": metadata["uid"]}}
            await api.request("DELETE", SCALED_OBJECT.path(metadata["namespace"], metadata["name"]), of_this_one)
        except (NotFoundError, ConflictError):
            continue
        _log.info("removed ScaledObject %s/%s of an earlier metrics mode", metadata["namespace"], metadata["name"])
