"""``slipway-router``: the router on Kubernetes."""

import asyncio
import logging
import os
import signal
import ssl
import sys
from pathlib import Path

import uvloop

from slipway_router.adapters.json_log import JsonFormatter
from slipway_router.adapters.kube_catalogue import KubeCatalogue
from slipway_router.adapters.process import settle
from slipway_router.adapters.provider_keys import ProviderKeyFiles
from slipway_router.adapters.provider_tls import provider_tls
from slipway_router.app.router import RouterOptions, Sources, serving
from slipway_router.app.settings import Settings
from slipway_router.domain.catalogue import CatalogueStore
from slipway_router.domain.keys import KeyStore

_log = logging.getLogger("slipway_router")


async def run(settings: Settings, tls: ssl.SSLContext) -> None:
    """Serve until SIGTERM or SIGINT, then let answers under way finish."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    catalogue, keys = CatalogueStore(), KeyStore()
    cluster = KubeCatalogue(catalogue, keys, settings.watch_namespaces)
    cluster.start()
    async with serving(
        Sources(catalogue, keys, cluster.synced, provider_keys=ProviderKeyFiles(Path(settings.provider_keys_dir))),
        host=settings.host,
        port=settings.port,
        admin_port=settings.admin_port,
        options=RouterOptions(
            max_body_bytes=settings.max_body_bytes,
            max_buffered_bytes=settings.max_buffered_bytes,
            image_hosts=settings.image_url_hosts,
            provider_tls=tls,
        ),
        access_log=sys.stdout.buffer if settings.access_log else None,
        drain_seconds=settings.drain_timeout,
    ) as router:
        _log.info("listening on port %d, admin on port %d", router.port, router.admin_port)
        await stop.wait()
        _log.info("stopping; answers under way have %.0f s", settings.drain_timeout)
    await cluster.stop()


def main() -> None:
    """Entry point. Exits with 1 and says why if a setting is wrong."""
    try:
        settings = Settings.from_env(os.environ)
        tls = provider_tls(settings.provider_ca_file)
    except ValueError as error:
        sys.exit(f"slipway-router: {error}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    settle()
    uvloop.run(run(settings, tls))


if __name__ == "__main__":
    main()
