"""What `slipway up` shows: lines that stay and, on a terminal, a table of the models that is kept up to date."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from slipway_local.domain.reporting import describe, seconds
from slipway_local.domain.view import ModelView, Status

_STYLES: Final = {
    Status.READY: "green",
    Status.EXTERNAL: "green",
    Status.STARTING: "yellow",
    Status.STOPPING: "yellow",
    Status.FAILED: "red",
    Status.BLOCKED: "red",
    Status.ASLEEP: "dim",
}


class Terminal(Protocol):
    """A place for words and a table."""

    def say(self, text: str, style: str = "") -> None:
        """Write lines that stay. Long ones are not broken, so that they can be copied."""

    def progress(self, text: str) -> None:
        """Write lines that say what the table shows, where there is no table."""

    def show(self, views: Sequence[ModelView]) -> None:
        """Bring the table up to date, if there is one."""


class PlainTerminal:
    """For pipes and files: lines only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str, style: str = "") -> None:
        """Write lines."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def progress(self, text: str) -> None:
        """Write lines."""
        self.say(text)

    def show(self, views: Sequence[ModelView]) -> None:
        """Nothing: changes worth a line are written as lines."""


class LiveTerminal(PlainTerminal):
    """For people: the table stands below the lines."""

    def __init__(self, console: Console, live: Live) -> None:
        super().__init__(console)
        self._live = live

    def progress(self, text: str) -> None:
        """Nothing: the table shows it."""

    def show(self, views: Sequence[ModelView]) -> None:
        """Draw the table anew."""
        self._live.update(models_table(views, time.monotonic()), refresh=True)


@contextmanager
def terminal(console: Console) -> Iterator[Terminal]:
    """The terminal that fits ``console``."""
    if not console.is_terminal:
        yield PlainTerminal(console)
        return
    # Drawn when something changes, by the event loop alone: no thread of rich's reads what is being changed.
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield LiveTerminal(console, live)


def models_table(views: Sequence[ModelView], now: float) -> Table:
    """The models; ``now`` is on the monotonic clock."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    for column in ("MODEL", "ENGINE", "STATE"):
        table.add_column(column, no_wrap=column != "STATE")
    for view in views:
        running = f"  {seconds(now - view.since)}" if view.status is Status.STARTING else ""
        table.add_row(view.name, view.engine, Text(describe(view) + running, style=_STYLES[view.status]))
    return table
