"""Real programs of Slipway, each in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent.parent
_END_SECONDS: Final = 20


@contextmanager
def program(
    module: str, *arguments: str, log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m module`` for the length of a ``with`` block, unless it ends before.

    Args:
        log: what it says is added to this file.
        settings: variables besides the tester's.
    """
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, **(settings or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=_ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            finally:
                process.kill()


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    """Send a signal to a program and give the exit status."""
    process.send_signal(number)
    return process.wait(_END_SECONDS)
