"""`slipway models`."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from slipway_local.adapters.router_client import RouterError, router_client
from slipway_local.app.commands.options import add_router, key_for_router
from slipway_local.domain.reporting import last_start

_WIDTH_OF_PIPES: Final = 400


def run(arguments: Sequence[str]) -> int:
    """List the models of a router; 1 when it cannot be asked."""
    parser = argparse.ArgumentParser(
        prog="slipway models",
        description="List the models that a key opens: name, state, what they run on and do, and their last start.",
        epilog="Exit codes: 0 listed, 1 the router does not answer or refuses.",
    )
    add_router(parser, os.environ)
    options = parser.parse_args(arguments)
    try:
        with router_client(options.url, key_for_router(options.key)) as router:
            models = router.models()
    except (RouterError, ValueError) as error:
        sys.stderr.write(f"slipway models: {error}\n")
        return 1
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("MODEL", "STATE", "ENGINE", "DEVICE", "TASKS"):
        table.add_column(column, no_wrap=True)
    table.add_column("LAST START")
    for model in models:
        known = (model.get(name, "") for name in ("state", "engine", "device"))
        table.add_row(
            model["id"], *known, ", ".join(model.get("tasks", ())), last_start(model.get("start_seconds", {}))
        )
    # Whatever reads a pipe wants one line for each model.
    width = None if sys.stdout.isatty() else _WIDTH_OF_PIPES
    Console(highlight=False, emoji=False, width=width).print(table)
    return 0
