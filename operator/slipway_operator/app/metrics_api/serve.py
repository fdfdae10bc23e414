"""The metrics API of one replica, put together."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_crds.names import CONTROL_PORT
from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.adapters.metrics_api.access import KubernetesAccess
from slipway_operator.adapters.metrics_api.pod_metrics import FollowedPods, HttpPodMetrics, asking_pods
from slipway_operator.adapters.metrics_api.router_pods import RouterPlace, RouterPods
from slipway_operator.adapters.metrics_api.server import serving_metrics_api
from slipway_operator.adapters.metrics_api.tls import Tls
from slipway_operator.app.metrics_api import sampler, upkeep
from slipway_operator.app.metrics_api.sampler import Sampler
from slipway_operator.app.metrics_api.upkeep import Registration, Upkeep
from slipway_operator.domain.metrics_api.state import RegistrationState

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MetricsApiSettings:
    """Where the metrics API is served and whom it asks."""

    host: str
    port: int
    """0 takes any."""
    routers: RouterPlace
    namespaces: Sequence[str] = ()
    """Of the models; none means all."""
    control_port: int = CONTROL_PORT
    """Of the pods."""
    sample_seconds: float = sampler.INTERVAL_SECONDS
    upkeep_seconds: float = upkeep.INTERVAL_SECONDS


class MetricsApi:
    """The metrics API of one replica."""

    def __init__(
        self,
        settings: MetricsApiSettings,
        api: KubeApi,
        registration: Registration,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._api = api
        self._now = now
        self._upkeep = Upkeep(registration)
        self.port: int | None = None
        """The port, once it listens."""

    @property
    def state(self) -> RegistrationState:
        """Whether autoscalers reach it."""
        return self._upkeep.state

    @property
    def settled(self) -> bool:
        """Whether it listens, or cannot: a cluster without aggregated APIs gets the rest of the operator."""
        return self.port is not None or self.state.problem is not None

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            OSError: the port is taken.
        """
        tls = Tls(await self._upkeep.prepare(), self._upkeep.front_proxy.ca)
        settings = self._settings
        async with asking_pods() as session:
            followed = FollowedPods(self._api, settings.namespaces)
            pods = HttpPodMetrics(session, settings.control_port)
            routers = RouterPods(self._api, session, settings.routers)
            asking = Sampler(followed, pods, routers, time.monotonic, self._now, interval=settings.sample_seconds)
            access = KubernetesAccess(self._api, time.monotonic)
            serving = serving_metrics_api(
                settings.host, settings.port, tls.context, lambda: self._upkeep.front_proxy, access, asking.answer
            )
            async with serving as port, asyncio.TaskGroup() as group:
                _log.info("metrics API on port %d", port)
                self.port = port
                group.create_task(asking.run())
                group.create_task(self._upkeep.run(tls, settings.upkeep_seconds))
