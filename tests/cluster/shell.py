"""Running other programs."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import CommandError

_SHOWN_OUTPUT = 4000


@dataclass(frozen=True)
class Invocation:
    """A command, ready to be run, and what to add to its environment."""

    argv: list[str]
    env: dict[str, str]


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
) -> str:
    """Run a command to its end and return its standard output.

    ``env`` is added to the environment of this process; ``timeout`` is in seconds.
    Raises :class:`CommandError` with the end of the command's output when it fails.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{words[0]}: no such program (needed for: {' '.join(words)})") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(words)}: no end after {timeout:g} s") from error
    if done.returncode != 0:
        shown = (done.stderr.strip() or done.stdout.strip())[-_SHOWN_OUTPUT:]
        raise CommandError(f"{' '.join(words)}: exit status {done.returncode}\n{shown}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, timeout: float = 30) -> bool:
    """Tell whether a command exists and exits with 0."""
    try:
        run(argv, timeout=timeout)
    except CommandError:
        return False
    return True
