"""``slipway-router``: the router on Kubernetes."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from slipway_crds.json_log import log_to_stderr
from slipway_router.adapters.api.cluster_models import ClusterModels
from slipway_router.adapters.engines.provider_keys import ProviderKeyFiles
from slipway_router.adapters.kube.catalogue import KubeCatalogue
from slipway_router.adapters.kube.demand import DemandWriter
from slipway_router.adapters.process import settle
from slipway_router.app.router import serving
from slipway_router.app.router_options import RouterOptions, Sources
from slipway_router.app.setting_names import CONFIG_VARIABLE
from slipway_router.app.settings import Settings, warnings_of
from slipway_router.domain.callers.keys import KeyStore
from slipway_router.domain.models.catalogue import CatalogueStore

_log = logging.getLogger("slipway_router")


async def run(settings: Settings, options: RouterOptions) -> None:
    """Serve until SIGTERM or SIGINT, then let answers under way finish."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    catalogue, keys = CatalogueStore(), KeyStore()
    cluster, demand = KubeCatalogue(catalogue, keys, settings.watch_namespaces), DemandWriter(catalogue)
    serving_cluster = serving(
        Sources(
            catalogue,
            keys,
            cluster.synced,
            waker=demand,
            observer=demand,
            provider_keys=ProviderKeyFiles(Path(settings.provider_keys_dir)),
            manager=ClusterModels(),
        ),
        host=settings.host,
        port=settings.data_port,
        admin_port=settings.admin_port,
        options=options,
        access_log=sys.stdout.buffer if settings.access_log else None,
        drain_seconds=settings.drain_timeout,
        delay_seconds=settings.shutdown_delay,
    )
    # The demand is told for as long as answers are under way.
    async with demand.running(), serving_cluster as router:
        # Not before all that can go wrong at the start: its thread would be in the way of the process's end.
        cluster.start()
        _log.info("listening on port %d, admin on port %d", router.port, router.admin_port)
        await stop.wait()
        _log.info(
            "stopping in %.0f s; answers under way then have %.0f s", settings.shutdown_delay, settings.drain_timeout
        )
    await cluster.stop()


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Exits with 1 and says why if a setting is wrong."""
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.load(os.environ, _file(arguments.config, os.environ))
        options = settings.router_options()
    except ValueError as error:
        sys.exit("\n".join(f"slipway-router: {line}" for line in str(error).splitlines()))
    warnings = warnings_of(os.environ)
    if arguments.check or arguments.print_config:
        sys.stderr.writelines(f"slipway-router: warning: {warning}\n" for warning in warnings)
        sys.stdout.writelines(f"{line}\n" for line in settings.lines() if arguments.print_config)
        return
    log_to_stderr(settings.log_level, as_json=settings.telemetry.log_format == "json")
    for warning in warnings:
        _log.warning(warning)
    settle()
    try:
        uvloop.run(run(settings, options))
    except OSError as error:
        sys.exit(f"slipway-router: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slipway-router", description="Serve models to OpenAI clients. Variables SLIPWAY_… win over the file."
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"settings as TOML (default: ${CONFIG_VARIABLE})")
    parser.add_argument("--check", action="store_true", help="tell what is wrong with the settings, and end")
    parser.add_argument("--print-config", action="store_true", help="print all settings without secrets, and end")
    return parser


def _file(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = environ.get(CONFIG_VARIABLE, "").strip()
    return given or (Path(named) if named else None)


if __name__ == "__main__":
    main()
