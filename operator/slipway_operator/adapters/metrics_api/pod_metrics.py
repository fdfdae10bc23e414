"""``/metrics`` of runtimes in pods, and which pods autoscalers want to know of."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from slipway_crds.engines import EngineType
from slipway_crds.names import DATA_PORT, LABEL_ENGINE, LABEL_MODEL, LABEL_NAME, MODEL_APP_NAME
from slipway_operator.adapters.control_ports import ask_runtime
from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.domain.metrics_api.exposition import read_series
from slipway_operator.domain.metrics_api.measures import Snapshot
from slipway_operator.domain.metrics_api.readings import Target
from slipway_operator.domain.metrics_api.table import SOURCES
from slipway_operator.domain.metrics_api.targets import followed_models, target_of
from slipway_operator.domain.resources import HPA, POD

_LONGEST_ANSWER: Final = 4 * 1024 * 1024
_MOST_CONNECTIONS: Final = 64
_MODELS_AT_ONCE: Final = 50
"""Models whose pods one request asks for: their names stand in its URL."""


class HttpPodMetrics:
    """Asks over HTTP. Of an answer, only known series are taken."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def read(self, target: Target) -> Snapshot | None:
        """What a pod tells now; None when there was no answer."""
        # A container of text-embeddings-inference has its one port.
        port = DATA_PORT if target.labels.get(LABEL_ENGINE) == EngineType.TEI else self._port
        body = await ask_runtime(self._session, target.ip, port, "/metrics", _LONGEST_ANSWER)
        try:
            return read_series(body.decode(), SOURCES) if body is not None else None
        except UnicodeDecodeError:
            return None


@asynccontextmanager
async def asking_pods() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to pods for the length of a ``with`` block."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_MOST_CONNECTIONS)) as session:
        yield session


class FollowedPods:
    """Reads HorizontalPodAutoscalers, and the ready pods of models that one of them follows by our metrics.

    Without such an autoscaler no pod is listed. Lists come from the API server's memory, not from etcd.
    """

    def __init__(self, api: KubeApi, namespaces: Sequence[str]) -> None:
        self._api = api
        self._namespaces = namespaces

    async def targets(self) -> list[Target]:
        """The pods to ask.

        Raises:
            ClusterError: the API server refused.
        """
        followed: dict[str, set[str]] = {}
        for namespace in self._namespaces or ("",):
            path = HPA.path(namespace) if namespace else f"/apis/{HPA.api_version}/{HPA.plural}"
            followed.update(followed_models(await self._list(path)))
        pods = [pod for path, selector in _pod_lists(followed) for pod in await self._list(path, selector)]
        return [target for pod in pods if (target := target_of(pod)) is not None]

    async def _list(self, path: str, selector: str | None = None) -> list[dict[str, Any]]:
        chosen = {} if selector is None else {"labelSelector": selector}
        listed = await self._api.request("GET", path, resourceVersion="0", **chosen)
        items: list[dict[str, Any]] = listed["items"]
        return items


def _pod_lists(followed: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    for namespace, models in sorted(followed.items()):
        names = sorted(models)
        for first in range(0, len(names), _MODELS_AT_ONCE):
            chosen = ",".join(names[first : first + _MODELS_AT_ONCE])
            yield POD.path(namespace), f"{LABEL_NAME}={MODEL_APP_NAME},{LABEL_MODEL} in ({chosen})"
