"""The GPUs of the cluster's nodes, read from the API server when somebody asks."""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.free_gpus import GpuRequest, fits, used_gpus

_PAGE: Final = "500"
_RUNNING: Final = "status.phase!=Succeeded,status.phase!=Failed"
_log: Final = logging.getLogger(__name__)


class Requests(Protocol):
    """What this needs of the API server."""

    async def request(self, method: str, path: str, **query: str) -> dict[str, Any]:
        """The answer; raises `ClusterError` for any but a good one."""
        ...


class KubernetesGpus:
    """Nodes' allocatable GPUs less what the pods on them hold. Nothing is watched: this is asked at rollouts only."""

    def __init__(self, api: Requests) -> None:
        self._api = api

    async def suffice(self, request: GpuRequest) -> bool | None:
        """Whether a replica more finds its GPUs; None without the right to see all nodes and pods, or an answer."""
        chosen = ",".join(f"{name}={value}" for name, value in sorted(request.node_selector.items()))
        used = Counter[str]()
        try:
            nodes = [node async for page in self._pages("nodes", labelSelector=chosen) for node in page]
            async for page in self._pages("pods", fieldSelector=_RUNNING):
                used.update(used_gpus(page, request.resource))
        except ClusterError as error:
            _log.info("free GPUs are not known: %s", error)
            return None
        return fits(request, nodes, used)

    async def _pages(self, plural: str, **query: str) -> AsyncIterator[list[dict[str, Any]]]:
        following = ""
        while True:
            page = await self._api.request(
                "GET", f"/api/v1/{plural}", limit=_PAGE, **query, **({"continue": following} if following else {})
            )
            yield page["items"]
            following = page["metadata"].get("continue", "")
            if not following:
                return
