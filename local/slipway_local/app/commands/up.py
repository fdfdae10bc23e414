"""`slipway up`."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop
from rich.console import Console

from slipway_crds.duration import parse_duration
from slipway_crds.engines import EngineType
from slipway_local.adapters.terminal import Terminal, terminal
from slipway_local.app.commands.options import DEFAULT_PORT, add_state_dir
from slipway_local.app.up import CannotStartError, UpOptions, up
from slipway_local.domain.engine_support import ENGINE_PYTHON_VARIABLE, parse_engine_pythons
from slipway_local.domain.local_keys import API_KEY_VARIABLE
from slipway_local.domain.places import cache_dir

_FORCED = 130
"""Exit code after a second Ctrl-C, as shells have it for SIGINT."""


def run(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit code."""
    options = _options(arguments)
    with (
        terminal(Console(highlight=False, emoji=False)) as screen,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        try:
            return runner.run(_serve(options, screen))
        except CannotStartError as error:
            sys.stderr.write(f"slipway up: {error}\n")
            return 2


async def _serve(options: UpOptions, screen: Terminal) -> int:
    stop, forced = asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(up(options, screen, stop))

    def interrupted() -> None:
        if stop.is_set():
            forced.set()
            work.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return _FORCED if forced.is_set() else 0


def _options(arguments: Sequence[str]) -> UpOptions:
    environ, home = os.environ, Path.home()
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        pythons = parse_engine_pythons(filter(None, environ.get(ENGINE_PYTHON_VARIABLE, "").split(",")))
    except ValueError as error:
        parser.error(f"${ENGINE_PYTHON_VARIABLE}: {error}")
    return UpOptions(
        paths=tuple(given.paths),
        host=given.host,
        port=given.port,
        admin_port=given.admin_port,
        state_dir=given.state_dir.expanduser().absolute(),
        cache_dir=cache_dir(environ, home),
        idle_after=given.idle_timeout,
        eager=given.eager,
        verbose=given.verbose,
        environ=environ,
        api_key=environ.get(API_KEY_VARIABLE),
        config=given.config,
        engine_pythons={**pythons, **dict(given.engine_python)},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slipway up",
        description="Serve the models of YAML files on this machine, behind an OpenAI-compatible API. "
        "A model is started by the first request for it. Files are read again when they change.",
        epilog=f"${API_KEY_VARIABLE} sets the key of the first APIKey. "
        "Exit codes: 0 ended by Ctrl-C or SIGTERM, 2 a file, key or port cannot be used, 130 ended by a second Ctrl-C.",
    )
    parser.add_argument("paths", metavar="FILE", nargs="+", type=Path, help="YAML file, or folder of YAML files")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port of the API; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--admin-port", type=_port, metavar="PORT", help="port of probes and metrics (default: none)")
    parser.add_argument(
        "--idle-timeout",
        type=_duration,
        metavar="DURATION",
        help="stop models without autoscaling.scaleToZero after this time without a request, for example 15m "
        "(default: never)",
    )
    parser.add_argument(
        "--engine-python",
        type=_engine_python,
        action="append",
        default=[],
        metavar="ENGINE=PATH",
        help="Python interpreter of an environment that has the engine, for example vllm=/opt/vllm/bin/python; "
        f"may come more than once (default: ${ENGINE_PYTHON_VARIABLE}, comma-separated, else this one)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings of the router, as TOML: sessions, cache, CORS, TLS …; $SLIPWAY_… variables do, too",
    )
    parser.add_argument("--eager", action="store_true", help="start every model at once")
    parser.add_argument("--verbose", action="store_true", help="tell what the files say that does nothing here")
    add_state_dir(parser, os.environ, Path.home())
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; write a number from 0 to 65535")
    return int(text)


def _engine_python(text: str) -> tuple[EngineType, str]:
    try:
        ((engine, path),) = parse_engine_pythons([text]).items()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return engine, path


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
