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
from slipway_operator.adapters.metrics_api.pod_metrics import FollowedPods, reading_pods
from slipway_operator.adapters.metrics_api.registration import KubernetesRegistration
from slipway_operator.adapters.metrics_api.server import serving_metrics_api
from slipway_operator.adapters.metrics_api.tls import Tls
from slipway_operator.app.metrics_api import sampler, upkeep
from slipway_operator.app.metrics_api.sampler import Sampler
from slipway_operator.app.metrics_api.upkeep import Upkeep

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MetricsApiSettings:
    """Where the metrics API is served and whom it asks."""

    host: str
    port: int
    """0 takes any."""
    namespaces: Sequence[str] = ()
    """Of the models; none means all."""
    control_port: int = CONTROL_PORT
    """Of the pods."""
    sample_seconds: float = sampler.INTERVAL_SECONDS
    upkeep_seconds: float = upkeep.INTERVAL_SECONDS


async def serve_metrics_api(
    settings: MetricsApiSettings,
    api: KubeApi,
    registration: KubernetesRegistration,
    now: Callable[[], datetime],
    listening: Callable[[Upkeep, int], None] = lambda _upkeep, _port: None,
) -> None:
    """Serve until cancelled. ``listening`` is told the upkeep, which has the state, and the port.

    Raises:
        OSError: the port is taken.
    """
    keeper = Upkeep(registration)
    tls = Tls(await keeper.prepare(), keeper.front_proxy.ca)
    async with reading_pods(settings.control_port) as pods:
        asking = Sampler(
            FollowedPods(api, settings.namespaces), pods, time.monotonic, now, interval=settings.sample_seconds
        )
        access = KubernetesAccess(api, time.monotonic)
        serving = serving_metrics_api(
            settings.host, settings.port, tls.context, lambda: keeper.front_proxy, access, asking.answer
        )
        async with serving as port, asyncio.TaskGroup() as group:
            _log.info("metrics API on port %d", port)
            listening(keeper, port)
            group.create_task(asking.run())
            group.create_task(keeper.run(tls, settings.upkeep_seconds))
