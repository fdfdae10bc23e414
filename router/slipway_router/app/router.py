"""The composition root: builds a router from its parts and serves it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO, Final

from slipway_router.adapters.api.admin import Load
from slipway_router.adapters.api.admin_port import build_admin
from slipway_router.adapters.http.cors import CorsAnswers
from slipway_router.adapters.http.server import HttpServer
from slipway_router.adapters.http.tls import TlsFiles
from slipway_router.app.api import Api, ApiParts
from slipway_router.app.parts import Parts
from slipway_router.app.pipeline import Pipeline, RequestIds
from slipway_router.app.router_options import RouterOptions, Sources

_WATCH_SECONDS: Final = 0.25
"""How late a timeout may be noticed."""
_ROUNDS_PER_SWEEP: Final = 20


class Router:
    """A running router."""

    def __init__(self, sources: Sources, options: RouterOptions, access_log: BinaryIO | None = None) -> None:
        """Raises ValueError or OSError when what an option names cannot be used."""
        self._sources = sources
        self._draining = False
        parts = self._parts = Parts(sources, options, access_log, asyncio.get_running_loop())
        new_id, on_end = RequestIds(), parts.on_end()
        self._relays = parts.relays(on_end)
        self.pipeline = Pipeline(
            on_headers=parts.on_headers(),
            on_body=parts.on_body(),
            on_end=on_end,
            relays=self._relays,
            max_body_bytes=options.max_body_bytes,
            new_id=new_id,
        )
        self._api = Api(
            ApiParts(
                sources.catalogue,
                sources.synced,
                parts.identity.authenticate.at_once,
                new_id,
                self.pipeline,
                options.features,
                parts.usage.reader,
                parts.registry,
                Load(parts.balancer.in_flight, lambda model: parts.room.waiting(model.key)),
                sources.manager,
            )
        )
        tls = options.features.tls
        self._data = HttpServer(
            CorsAnswers(self._api.app, parts.cors) if parts.cors else self._api.app,
            self.pipeline,
            options.request_timeout,
            max_connections=options.features.server.max_connections,
            tls=TlsFiles(tls.cert_file, tls.key_file) if tls.cert_file else None,
        )
        self._admin = HttpServer(build_admin(parts.registry, self._not_ready))
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
        return self._parts.room.waiting(model_key)

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
        await self._parts.start()
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        for round_ in itertools.count(1):
            await asyncio.sleep(_WATCH_SECONDS)
            self._relays.active.check_all(time.monotonic())
            if round_ % _ROUNDS_PER_SWEEP == 0:
                self._parts.pools.sweep()

    async def stop(self, drain_seconds: float, delay_seconds: float = 0.0) -> int:
        """Be no longer ready, go on for ``delay_seconds``, then let answers finish for at most ``drain_seconds``.

        Returns how many were cut.
        """
        self._draining = True
        cut = await self._data.drain(drain_seconds, delay_seconds)
        await self._admin.drain(0)
        await self._relays.active.settle(time.monotonic)
        if self._watcher is not None:
            self._watcher.cancel()
        await self._api.close()
        await self._parts.close()
        return cut


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
    delay_seconds: float = 0.0,
) -> AsyncIterator[Router]:
    """A router that serves for the length of the block, in the running event loop."""
    router = Router(sources, options or RouterOptions(), access_log)
    await router.start(host, port, admin_port)
    try:
        yield router
    finally:
        await router.stop(drain_seconds, delay_seconds)
