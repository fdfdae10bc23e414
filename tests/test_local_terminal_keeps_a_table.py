"""On a terminal, `slipway up` keeps a table of its models below what it has said."""

import contextlib
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.eventually import eventually
from tests.local_mode import SLIPWAY, document, environment

pytestmark = pytest.mark.local


@contextlib.contextmanager
def on_a_terminal(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], bytearray]]:
    """A command whose output is a terminal, and what that terminal has got so far."""
    owner, terminal = pty.openpty()
    process = subprocess.Popen(
        [SLIPWAY, *arguments],
        cwd=folder,
        env=environment(folder, {"TERM": "xterm-256color"}),
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    seen = bytearray()

    def read() -> None:
        # Linux ends a terminal without writers with an error.
        with contextlib.suppress(OSError):
            while data := os.read(owner, 65536):
                seen.extend(data)

    reader = Thread(target=read)
    reader.start()
    try:
        yield process, seen
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(owner)


def test_the_table_follows_a_model_and_is_gone_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(document("words", args='["--load-seconds=0.5"]'))
    with on_a_terminal(tmp_path, "up", "models.yaml", "--port", "0", "--eager") as (process, seen):
        eventually("the table", lambda: bytes(seen), lambda text: b"MODEL" in text and b"loading  " in text, within=30)
        eventually("ready", lambda: bytes(seen), lambda text: text.count(b"ready in ") >= 2, within=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        cursor_is_back = b"\x1b[?25h"
        shown = eventually("the end", lambda: bytes(seen), lambda text: cursor_is_back in text, within=5)
    assert b"everything has ended" in shown
    erased_line = b"\x1b[2K"
    assert shown.count(erased_line) > 3
