"""The composition root: from the environment to a running model."""

import asyncio
import logging
import os
import signal
import time

from slipway_crds.duration import parse_duration
from slipway_crds.runtime_env import RuntimeEnv
from slipway_runtime.adapters.control_server import control_server
from slipway_runtime.adapters.fetch.hub import HubAccess
from slipway_runtime.adapters.http_server import bind
from slipway_runtime.adapters.memory_kills import memory_kills
from slipway_runtime.adapters.nvml import nvml_gpus
from slipway_runtime.adapters.warmup import send_warm_ups
from slipway_runtime.app.engines import connect_host, engine_maker, served_names, tasks
from slipway_runtime.app.fetching import fetcher
from slipway_runtime.app.status import RuntimeStatus
from slipway_runtime.app.supervisor import Limits, Parts, Supervisor
from slipway_runtime.domain.gpus import VisibleGpus
from slipway_runtime.domain.warmup import warm_ups

log = logging.getLogger(__name__)


async def run_runtime(env: RuntimeEnv, hub: HubAccess) -> int:
    """Run one model until a signal or ``POST /drain`` ends it. Returns the exit code; raises RuntimeFailure."""
    parts = _parts(env, hub)
    gpus = nvml_gpus(VisibleGpus(os.environ))
    status = RuntimeStatus(env.model_name, env.engine, time.monotonic, gpus)
    limits = Limits(startup=parse_duration(env.startup_timeout), drain=parse_duration(env.drain_timeout))
    supervisor = Supervisor(parts, limits, status)
    _handle_signals(supervisor)
    server = control_server(status, supervisor.drain)
    serving = asyncio.create_task(server.serve(sockets=[bind(env.host, env.control_port)]))
    try:
        return await supervisor.run()
    finally:
        server.should_exit = server.force_exit = True
        await serving


def _parts(env: RuntimeEnv, hub: HubAccess) -> Parts:
    names = served_names(env)
    requests = warm_ups(tasks(env), names[0])
    host = connect_host(env)
    return Parts(
        fetch=fetcher(env, hub),
        make_engine=engine_maker(env),
        warm_up=lambda: send_warm_ups(requests, host, env.data_port),
        memory_kills=memory_kills,
    )


def _handle_signals(supervisor: Supervisor) -> None:
    received = 0

    def on_signal(name: str) -> None:
        nonlocal received
        received += 1
        if received == 1:
            log.info("%s: draining; a second signal ends at once", name)
            supervisor.drain()
        else:
            supervisor.hurry()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
