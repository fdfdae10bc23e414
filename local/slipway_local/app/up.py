"""`slipway up` at work: files, keys, models and router together, from the first line to the last."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_crds.documents import DocumentError
from slipway_crds.engines import EngineType
from slipway_local.adapters.engine_pythons import EnginePython, look_into
from slipway_local.adapters.gpus import count_nvidia_gpus
from slipway_local.adapters.key_files import KeyFiles
from slipway_local.adapters.ports import PortError, usable_port
from slipway_local.adapters.runtime_process import Launcher, control_client, is_installed
from slipway_local.adapters.terminal import Terminal
from slipway_local.app.keys import LocalKeys
from slipway_local.app.local_mode import LocalMode
from slipway_local.app.router_settings import router_options
from slipway_local.domain.engine_support import NEEDS, unavailable_engines
from slipway_local.domain.places import KEYS_FOLDER, RUN_FOLDER
from slipway_local.domain.world import Machine
from slipway_router.app.router import serving

_DRAIN_SECONDS: Final = 5.0
"""For running requests, when `slipway up` ends."""
_QUIET_SECONDS: Final = 0.2
"""For runtimes, once the router is gone and nobody can ask them anything."""


@dataclass(frozen=True)
class UpOptions:
    """What the user asked for."""

    paths: tuple[Path, ...]
    host: str
    port: int
    admin_port: int | None
    state_dir: Path
    cache_dir: Path
    idle_after: float | None
    """Idle time, in seconds, of models that name none; None: they stay."""
    eager: bool
    verbose: bool
    environ: Mapping[str, str]
    api_key: str | None
    config: Path | None
    """The router's settings, as a TOML file."""
    engine_pythons: Mapping[EngineType, str]
    """Interpreters of engines that are not installed beside Slipway."""


class CannotStartError(Exception):
    """`slipway up` cannot begin; the message says why and what to do."""


async def up(options: UpOptions, terminal: Terminal, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, then let requests finish and end everything. When cancelled, kill everything.

    Raises:
        CannotStartError: a file, a key or a port cannot be used.
    """
    async with control_client() as client:
        try:
            port = _usable_ports(options)
            run_dir = options.state_dir / RUN_FOLDER / str(port)
            pythons = _pythons(options)
            launcher = Launcher(run_dir, options.cache_dir, options.environ, client, pythons)
            keys = LocalKeys(KeyFiles(options.state_dir / KEYS_FOLDER), options.api_key)
            machine = _machine(options, pythons)
            mode = LocalMode(options.paths, machine, launcher, keys, terminal, options.environ, options.state_dir)
            mode.load()
            router = router_options(options.environ, options.config, options.state_dir, run_dir)
        except (DocumentError, PortError, ValueError, OSError) as error:
            raise CannotStartError(str(error)) from error
        try:
            async with serving(
                mode.sources,
                host=options.host,
                port=port,
                admin_port=options.admin_port,
                options=router,
                drain_seconds=_DRAIN_SECONDS,
            ):
                mode.greet(options.host, port, verbose=options.verbose)
                if options.eager:
                    mode.start_all()
                await _until(stop, mode.watch(), mode.tick())
                terminal.say("stopping")
        except asyncio.CancelledError:
            mode.models.kill()
            raise
        finally:
            await mode.models.end(_QUIET_SECONDS)
            terminal.say("everything has ended")


def _usable_ports(options: UpOptions) -> int:
    """The port of the API. Raises PortError if it or the admin port cannot be had."""
    if options.admin_port is not None:
        usable_port(options.host, options.admin_port, "--admin-port")
    return usable_port(options.host, options.port, "--port")


async def _until(stop: asyncio.Event, *background: Coroutine[None, None, None]) -> None:
    """Run ``background`` until ``stop`` is set; what one of them raises ends all."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in background]
        await stop.wait()
        for task in tasks:
            task.cancel()


def _pythons(options: UpOptions) -> dict[EngineType, EnginePython]:
    """Each named interpreter, looked into once. Raises EnginePythonError."""
    modules = [need.module for need in NEEDS.values()]
    seen = {path: look_into(path, modules) for path in set(options.engine_pythons.values())}
    return {engine: seen[path] for engine, path in options.engine_pythons.items()}


def _machine(options: UpOptions, pythons: Mapping[EngineType, EnginePython]) -> Machine:
    def has_module(engine: EngineType, module: str) -> bool:
        python = pythons.get(engine)
        return is_installed(module) if python is None else module in python.modules

    return Machine(
        unavailable=unavailable_engines(has_module),
        variables=frozenset(options.environ),
        gpus=count_nvidia_gpus(),
        idle_after=options.idle_after,
    )
