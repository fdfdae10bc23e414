"""A server of one file that can be told to misbehave, and that remembers what it was asked."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from tests.fakes.loopback_http import QuietHandler, serving


@dataclass
class FileServer:
    """``GET /file.gguf`` gives ``content``; ``url`` is where."""

    content: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    failures: list[int] = field(default_factory=list)
    """Statuses of the next answers; then all is well."""
    range_bytes: int | None = None
    """Most bytes in an answer to a request for a range."""
    odd_range: bool = False
    """Whether an answer to a request for a range begins elsewhere."""
    cut_after: list[int] = field(default_factory=list)
    """In the next answers, the connection breaks after so many bytes of the body."""
    seconds_per_piece: float = 0
    """Pause after each sixteenth of the file."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """Headers of the requests so far."""
    url: str = ""


class FileHandler(QuietHandler):
    """Answers as it is ``told``."""

    told: ClassVar[FileServer]

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        self.told.asked.append(dict(self.headers.items()))
        if self.told.failures:
            return self.answer(self.told.failures.pop(0))
        if self.path != "/file.gguf":
            return self.answer(404)
        return self.send_file()

    def send_file(self) -> None:
        start = self.first_byte()
        if start >= len(self.told.content) > 0 and start:
            return self.answer(416)
        if start and self.told.odd_range:
            self.told.odd_range, start = False, start - 1
        end = len(self.told.content)
        if start and self.told.range_bytes is not None:
            end = min(end, start + self.told.range_bytes)
        body = self.told.content[start:end]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.told.content)}")
        self.send_header("Content-Length", str(len(body)))
        if self.told.etag:
            self.send_header("ETag", self.told.etag)
        self.end_headers()
        self.send_pieces(body[: self.told.cut_after.pop(0)] if self.told.cut_after else body)
        self.close_connection = True
        return None

    def first_byte(self) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not asked or not self.told.ranges or self.headers.get("If-Range", self.told.etag) != self.told.etag:
            return 0
        return int(asked[1])

    def send_pieces(self, body: bytes) -> None:
        size = max(1, len(self.told.content) // 16)
        for offset in range(0, len(body), size):
            self.wfile.write(body[offset : offset + size])
            if self.told.seconds_per_piece:
                time.sleep(self.told.seconds_per_piece)


@contextmanager
def file_server(server: FileServer) -> Iterator[FileServer]:
    """Run ``server`` on loopback."""
    handler = type("Handler", (FileHandler,), {"told": server})
    with serving(handler) as base:
        server.url = f"{base}/file.gguf"
        yield server
