"""``/metrics`` of the installation's routers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from slipway_operator.adapters.control_ports import ask_runtime
from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.domain.metrics_api.router_loads import requests_by_host
from slipway_operator.domain.resources import POD

_LONGEST_ANSWER: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RouterPlace:
    """Where the routers are."""

    namespace: str
    selector: str
    """Of their pods, by labels."""
    port: int
    """The one that tells metrics."""


class RouterPods:
    """Asks all routers for their load."""

    def __init__(self, api: KubeApi, session: aiohttp.ClientSession, place: RouterPlace) -> None:
        self._api = api
        self._session = session
        self._place = place

    async def requests_by_host(self) -> Mapping[str, float]:
        """Requests at work by the address of their pod. Those of routers that do not answer are left out.

        Raises:
            ClusterError: the API server refused.
        """
        place = self._place
        pods = await self._api.request(
            "GET", POD.path(place.namespace), labelSelector=place.selector, resourceVersion="0"
        )
        asked = (self._ask(pod) for pod in pods["items"])
        return requests_by_host(text for text in await asyncio.gather(*asked) if text is not None)

    async def _ask(self, pod: Mapping[str, Any]) -> str | None:
        ip = (pod.get("status") or {}).get("podIP")
        if not ip:
            return None
        body = await ask_runtime(self._session, ip, self._place.port, "/metrics", _LONGEST_ANSWER)
        return body.decode(errors="replace") if body is not None else None
