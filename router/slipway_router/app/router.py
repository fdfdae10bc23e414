"""The composition root: builds a router from its parts and serves it."""

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import BinaryIO, Final

from slipway_router.adapters.access_log import AccessLog
from slipway_router.adapters.admin_api import build_admin
from slipway_router.adapters.cors import CorsAnswers
from slipway_router.adapters.api_admin import Load
from slipway_router.adapters.engine_pool import EnginePools
from slipway_router.adapters.holding import PROGRESS_SECONDS, Holder
from slipway_router.adapters.http_server import HttpServer
from slipway_router.adapters.key_metrics import KeyMetrics
from slipway_router.adapters.metrics import CurrentState, RequestMetrics, registry_of
from slipway_router.adapters.provider_tls import provider_tls
from slipway_router.adapters.relay import RelayParts
from slipway_router.adapters.tls import TlsFiles
from slipway_router.app.api import Api, ApiParts
from slipway_router.app.caching import Caching
from slipway_router.app.identity import build_cors, build_identity
from slipway_router.app.ledger import Accounting
from slipway_router.app.limits import Limiting
from slipway_router.app.options import Features
from slipway_router.app.pipeline import Pipeline, RequestIds
from slipway_router.app.telemetry import build_traces
from slipway_router.domain.balancing import Balancer
from slipway_router.domain.bodies import MAX_BUFFERED_BYTES, Bodies, CheckAnnouncedSize
from slipway_router.domain.catalogue import CatalogueStore
from slipway_router.domain.exchange import Ending, Exchange, Step
from slipway_router.domain.keys import KeyStore
from slipway_router.domain.managing import ModelManager, NoManager
from slipway_router.domain.observing import Observer
from slipway_router.domain.parameters import set_parameters
from slipway_router.domain.parsing import parse_call
from slipway_router.domain.pictures import CheckPictures
from slipway_router.domain.provider import KeyLookup, no_keys
from slipway_router.domain.resolving import FindProviderKey, ResolveModel, authorise, check_available, check_task
from slipway_router.domain.waiting import WaitingRoom
from slipway_router.domain.waking import NoWaker, Waker

_WATCH_SECONDS: Final = 0.25
"""How late a timeout may be noticed."""
_ROUNDS_PER_SWEEP: Final = 20


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """How a router behaves, wherever it runs. Times are in seconds."""

    max_body_bytes: int = 32 * 1024 * 1024
    max_buffered_bytes: int = MAX_BUFFERED_BYTES
    """Of the bodies of all requests together, while they are read or wait for an engine to take them."""
    request_timeout: float = 120.0
    """How long a request may take to arrive."""
    caller_timeout: float = 120.0
    """How long a caller may stop reading."""
    progress_interval: float = PROGRESS_SECONDS
    """Between two words of progress to a streaming caller whose model wakes."""
    image_hosts: tuple[str, ...] = ()
    """Hosts, as globs, that callers may have engines fetch pictures from."""
    provider_tls: ssl.SSLContext = field(default_factory=provider_tls)
    """Which certificates of providers are trusted. Default: those that the system trusts."""
    features: Features = field(default_factory=Features)
    """Limits, identities, accounts and what else can be switched on."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a router knows from elsewhere, and whom it can ask for more."""

    catalogue: CatalogueStore
    keys: KeyStore
    synced: Callable[[], bool]
    """Whether the first full picture is there."""
    waker: Waker = field(default_factory=NoWaker)
    provider_keys: KeyLookup = no_keys
    """Keys of external models, by ``namespace.name``."""
    observer: Observer | None = None
    """Who else is told of requests."""
    manager: ModelManager = field(default_factory=NoManager)
    """Loads and unloads models where admins may have that done."""


class Router:
    """A running router."""

    def __init__(self, sources: Sources, options: RouterOptions, access_log: BinaryIO | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._sources = sources
        self._draining = False
        self._balancer = Balancer(Random(), time.monotonic)
        sources.catalogue.subscribe(self._balancer.update)
        room = self._room = WaitingRoom()
        self._pools = EnginePools(loop, options.provider_tls)
        bodies = Bodies(options.max_buffered_bytes)
        count, by_key = RequestMetrics(), KeyMetrics()
        state = CurrentState(sources.catalogue, self._balancer, room, bodies, sources.synced)
        limits = self._limits = Limiting(options.features)
        caching = Caching(options.features.cache)
        usage = self._usage = Accounting(options.features)
        registry = registry_of(count, by_key, state, limits.collector, caching.collector)
        self._log = (
            AccessLog(access_log, loop, options.features.telemetry.log_format) if access_log is not None else None
        )
        observer = sources.observer
        traces = self._traces = build_traces(options.features.telemetry)
        endings: tuple[Ending | None, ...] = (
            traces,
            count,
            by_key,
            self._log,
            limits.ending,
            usage.ending,
            caching.ending,
            observer.ended if observer else None,
        )
        on_end = _in_turn([ending for ending in endings if ending is not None])
        holder = Holder(sources.catalogue, self._balancer, room, sources.waker, options.progress_interval)
        cors = build_cors(options.features.cors)
        identity = self._identity = build_identity(sources.keys, options.features, time.time)
        authenticate = identity.authenticate
        relays = self._relays = RelayParts(
            loop,
            time.monotonic,
            self._balancer,
            self._pools,
            holder,
            bodies,
            options.caller_timeout,
            on_end,
            authenticate.withdrawn,
        )
        new_id = RequestIds()
        self.pipeline = Pipeline(
            on_headers=(
                *((cors,) if cors else ()),
                *((traces.begin,) if traces else ()),
                authenticate,
                CheckAnnouncedSize(options.max_body_bytes),
            ),
            on_body=(
                *identity.body_steps,
                *_body_steps(sources, options, limits, caching),
                usage.step,
                *((traces.sending,) if traces else ()),
            ),
            on_end=on_end,
            relays=relays,
            max_body_bytes=options.max_body_bytes,
            new_id=new_id,
        )
        self._api = Api(
            ApiParts(
                sources.catalogue,
                sources.synced,
                authenticate.at_once,
                new_id,
                self.pipeline,
                options.features,
                usage.reader,
                registry,
                Load(self._balancer.in_flight, lambda model: room.waiting(model.key)),
                sources.manager,
            )
        )
        tls = options.features.tls
        self._data = HttpServer(
            CorsAnswers(self._api.app, cors) if cors else self._api.app,
            self.pipeline,
            options.request_timeout,
            max_connections=options.features.server.max_connections,
            tls=TlsFiles(tls.cert_file, tls.key_file) if tls.cert_file else None,
        )
        self._admin = HttpServer(build_admin(registry, self._not_ready))
        self._watcher: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The data port."""
        return self._data.port

    @property
    def admin_port(self) -> int:
        """The port of probes and metrics."""
        return self._admin.port

    def waiting(self, model_key: str) -> int:
        """Requests that wait for the model ``namespace/name`` to wake."""
        return self._room.waiting(model_key)

    def _not_ready(self) -> str:
        if self._draining:
            return "draining"
        return "" if self._sources.synced() else "models and keys are not known yet"

    async def start(self, host: str, port: int, admin_port: int | None) -> None:
        """Listen on both ports, or on the data port alone if ``admin_port`` is None.

        Raises:
            OSError: an address is taken.
        """
        await self._data.start(host, port)
        if admin_port is not None:
            await self._admin.start(host, admin_port)
        await self._identity.start()
        await self._limits.start()
        await self._usage.start()
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        for round_ in itertools.count(1):
            await asyncio.sleep(_WATCH_SECONDS)
            self._relays.active.check_all(time.monotonic())
            if round_ % _ROUNDS_PER_SWEEP == 0:
                self._pools.sweep()

    async def stop(self, drain_seconds: float) -> int:
        """Stop listening, let answers finish for at most ``drain_seconds``; returns how many were cut."""
        self._draining = True
        cut = await self._data.drain(drain_seconds)
        await self._admin.drain(0)
        await self._relays.active.settle(time.monotonic)
        if self._watcher is not None:
            self._watcher.cancel()
        await self._identity.close()
        await self._api.close()
        await self._pools.close()
        await self._limits.close()
        await self._usage.close()
        if self._log is not None:
            await self._log.close()
        if self._traces is not None:
            await self._traces.close()
        return cut


def _body_steps(
    sources: Sources, options: RouterOptions, limits: Limiting, caching: Caching
) -> tuple[Step, ...]:
    """What is done with a request that is complete, in this order."""
    return (
        parse_call,
        ResolveModel(sources.catalogue),
        authorise,
        check_task,
        check_available,
        set_parameters,
        limits.step,
        *caching.steps,
        FindProviderKey(sources.provider_keys),
        CheckPictures(options.image_hosts),
        *((sources.observer.begun,) if sources.observer else ()),
    )


def _in_turn(steps: Sequence[Ending]) -> Ending:
    if len(steps) == 1:
        return steps[0]

    def all_of_them(exchange: Exchange) -> None:
        for step in steps:
            step(exchange)

    return all_of_them


@asynccontextmanager
async def serving(
    sources: Sources,
    *,
    host: str,
    port: int,
    admin_port: int | None = None,
    options: RouterOptions | None = None,
    access_log: BinaryIO | None = None,
    drain_seconds: float = 0.0,
) -> AsyncIterator[Router]:
    """A router that serves for the length of the block, in the running event loop."""
    router = Router(sources, options or RouterOptions(), access_log)
    await router.start(host, port, admin_port)
    try:
        yield router
    finally:
        await router.stop(drain_seconds)
