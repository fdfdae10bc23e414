"""Waiting for the custom resources: Kopf looks for their kinds once, and would watch none that come later."""

import asyncio
import logging
from typing import Any, Final, Protocol

from slipway_crds.names import API_VERSION
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.resources import API_KEY, MODEL_DEPLOYMENT, MODEL_ROUTE

_log: Final = logging.getLogger(__name__)
_KINDS: Final = frozenset(resource.plural for resource in (MODEL_DEPLOYMENT, API_KEY, MODEL_ROUTE))
_RETRY_SECONDS: Final = 1.0


class Requests(Protocol):
    """What this needs of the API server."""

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """The answer; raises `ClusterError` for any but a good one."""
        ...


async def custom_resources_served(api: Requests) -> None:
    """Return once the API server serves every kind of Slipway's."""
    told: frozenset[str] = frozenset()
    while missing := await _missing(api):
        if missing != told:
            _log.warning("waiting for the custom resources %s: are the CRDs installed?", ", ".join(sorted(missing)))
            told = missing
        await asyncio.sleep(_RETRY_SECONDS)


async def _missing(api: Requests) -> frozenset[str]:
    try:
        answer = await api.request("GET", f"/apis/{API_VERSION}")
    except ClusterError:
        return _KINDS
    return _KINDS - {resource["name"] for resource in answer.get("resources", ())}
