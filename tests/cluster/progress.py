"""Progress lines with times."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Writes one line per finished step: seconds since the start, the step, and how long it took."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        """Write one line."""
        print(f"{time.monotonic() - self._started:6.1f} s  {text}", file=self._stream, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block and report it when it ends without an error."""
        begun = time.monotonic()
        yield
        self.note(f"{name} ({time.monotonic() - begun:.1f} s)")
