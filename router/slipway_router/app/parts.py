"""The parts of a router between its two ports, put together as its options say."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import BinaryIO

from slipway_router.adapters.engines.holding import Holder
from slipway_router.adapters.engines.pool import EnginePools
from slipway_router.adapters.engines.relay_parts import RelayParts
from slipway_router.adapters.telemetry.access_log import AccessLog
from slipway_router.adapters.telemetry.key_metrics import KeyMetrics
from slipway_router.adapters.telemetry.metrics import CurrentState, RequestMetrics, registry_of
from slipway_router.app.caching import Caching
from slipway_router.app.identity import build_cors, build_identity
from slipway_router.app.ledger import Accounting
from slipway_router.app.limits import Limiting
from slipway_router.app.router_options import RouterOptions, Sources
from slipway_router.app.telemetry import build_traces
from slipway_router.domain.exchange import Ending, Exchange, Step
from slipway_router.domain.models.balancing import Balancer
from slipway_router.domain.models.resolving import FindProviderKey, ResolveModel, authorise, check_available, check_task
from slipway_router.domain.models.waiting import WaitingRoom
from slipway_router.domain.requests.bodies import Bodies, CheckAnnouncedSize
from slipway_router.domain.requests.parameters import set_parameters
from slipway_router.domain.requests.parsing import parse_call
from slipway_router.domain.requests.pictures import CheckPictures


class Parts:
    """The parts of one router, and the order in which requests meet them."""

    def __init__(
        self,
        sources: Sources,
        options: RouterOptions,
        access_log: BinaryIO | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Raises ValueError or OSError when what an option names cannot be used."""
        self._sources = sources
        self._options = options
        self._loop = loop
        features = options.features
        self.identity = build_identity(sources.keys, features, time.time)
        self.cors = build_cors(features.cors)
        self.limits = Limiting(features)
        self.caching = Caching(features.cache)
        self.usage = Accounting(features)
        self.traces = build_traces(features.telemetry)
        self.log = AccessLog(access_log, loop, features.telemetry.log_format) if access_log is not None else None
        self.balancer = Balancer(Random(), time.monotonic)
        sources.catalogue.subscribe(self.balancer.update)
        self.room = WaitingRoom()
        self.pools = EnginePools(loop, options.provider_tls)
        self.bodies = Bodies(options.max_buffered_bytes)
        self._counts = (RequestMetrics(), KeyMetrics())
        state = CurrentState(sources.catalogue, self.balancer, self.room, self.bodies, sources.synced)
        self.registry = registry_of(*self._counts, state, self.limits.collector, self.caching.collector)

    def relays(self, on_end: Ending) -> RelayParts:
        """What carries requests to replicas."""
        sources, options = self._sources, self._options
        holder = Holder(sources.catalogue, self.balancer, self.room, sources.waker, options.progress_interval)
        return RelayParts(
            self._loop,
            time.monotonic,
            self.balancer,
            self.pools,
            holder,
            self.bodies,
            options.caller_timeout,
            on_end,
            self.identity.authenticate.withdrawn,
        )

    def on_headers(self) -> tuple[Callable[[Exchange], None], ...]:
        """What is done once the header of a request is there, in this order."""
        return (
            *((self.cors,) if self.cors else ()),
            *((self.traces.begin,) if self.traces else ()),
            self.identity.authenticate,
            CheckAnnouncedSize(self._options.max_body_bytes),
        )

    def on_body(self) -> tuple[Step, ...]:
        """What is done with a request that is complete, in this order."""
        sources = self._sources
        return (
            *self.identity.body_steps,
            parse_call,
            ResolveModel(sources.catalogue),
            authorise,
            check_task,
            check_available,
            set_parameters,
            self.limits.step,
            *self.caching.steps,
            FindProviderKey(sources.provider_keys),
            CheckPictures(self._options.image_hosts),
            *((sources.observer.begun,) if sources.observer else ()),
            self.usage.step,
            *((self.traces.sending,) if self.traces else ()),
        )

    def on_end(self) -> Ending:
        """What is done when a request is over, in this order."""
        observer = self._sources.observer
        endings: tuple[Ending | None, ...] = (
            self.traces,
            *self._counts,
            self.log,
            self.limits.ending,
            self.caching.ending,
            self.usage.ending,
            observer.ended if observer else None,
        )
        return _in_turn([ending for ending in endings if ending is not None])

    async def start(self) -> None:
        """Begin what goes on beside requests."""
        await self.identity.start()
        await self.limits.start()
        await self.usage.start()

    async def close(self) -> None:
        """End that, and bring to its place what is not there yet. Call it when no request runs any more."""
        await self.identity.close()
        await self.pools.close()
        await self.limits.close()
        await self.usage.close()
        if self.log is not None:
            await self.log.close()
        if self.traces is not None:
            await self.traces.close()


def _in_turn(endings: Sequence[Ending]) -> Ending:
    def all_of_them(exchange: Exchange) -> None:
        for ending in endings:
            ending(exchange)

    return all_of_them
