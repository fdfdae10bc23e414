"""Asking the pods of autoscaled models for their metrics, every few seconds."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.documents import Document
from slipway_operator.domain.metrics_api.measures import Snapshot
from slipway_operator.domain.metrics_api.queries import ValueQuery, answer
from slipway_operator.domain.metrics_api.readings import Readings, Target
from slipway_operator.domain.metrics_api.router_loads import is_told_by_routers, with_requests

_log: Final = logging.getLogger(__name__)
INTERVAL_SECONDS: Final = 5.0
_AT_ONCE: Final = 32


class PodMetrics(Protocol):
    """The metrics of pods."""

    async def read(self, target: Target) -> Snapshot | None:
        """What a pod tells now; None when there was no answer."""
        ...


class Targets(Protocol):
    """Which pods are asked."""

    async def targets(self) -> Sequence[Target]:
        """The pods to ask; raises `ClusterError` when that cannot be known now."""
        ...


class Routers(Protocol):
    """What routers know of pods that cannot tell it themselves."""

    async def requests_by_host(self) -> Mapping[str, float]:
        """Requests at work by the address of their pod; raises `ClusterError` when that cannot be known now."""
        ...


class Sampler:
    """Keeps the last answers of pods. Those that do not answer lose their values after a while."""

    def __init__(
        self,
        targets: Targets,
        pods: PodMetrics,
        routers: Routers,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._targets = targets
        self._pods = pods
        self._routers = routers
        self._clock = clock
        self._now = now
        self._interval = interval
        self._readings = Readings()
        self._followed: Sequence[Target] = ()
        self._at_work = asyncio.Semaphore(_AT_ONCE)

    def answer(self, query: ValueQuery) -> Document:
        """The ``MetricValueList`` for ``query``.

        Raises:
            ApiError: there is no such metric, or no value of it.
        """
        return answer(query, self._readings, self._clock())

    async def run(self) -> None:
        """Ask, until cancelled."""
        while True:
            begun = self._clock()
            await self.sample()
            await asyncio.sleep(max(0.0, self._interval - (self._clock() - begun)))

    async def sample(self) -> None:
        """Ask every pod once. While the API server does not answer, the pods are those of the time before."""
        try:
            self._followed = await self._targets.targets()
        except ClusterError as error:
            _log.warning("cannot list the pods of autoscaled models: %s", error)
        self._readings.keep_only(self._followed)
        requests = await self._requests() if any(map(is_told_by_routers, self._followed)) else None
        await asyncio.gather(*(self._ask(target, requests) for target in self._followed))

    async def _requests(self) -> Mapping[str, float] | None:
        try:
            return await self._routers.requests_by_host()
        except ClusterError as error:
            _log.warning("cannot ask the routers for their load: %s", error)
            return None

    async def _ask(self, target: Target, requests: Mapping[str, float] | None) -> None:
        async with self._at_work:
            snapshot = await self._pods.read(target)
            if requests is not None and is_told_by_routers(target):
                snapshot = with_requests(snapshot, requests.get(target.ip, 0.0))
            if snapshot is not None:
                self._readings.add(target, snapshot, self._clock(), self._now())
