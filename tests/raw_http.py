"""HTTP/1.1 by hand, for requests that no client would send."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

from tests.routers import KEY, chat

BODY = json.dumps(chat()).encode()
AUTH = f"authorization: Bearer {KEY}\r\n".encode()
HOST = b"host: router\r\n"
PATH = b"/v1/chat/completions"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z]")


def request(
    body: bytes = BODY,
    *,
    fields: bytes = b"",
    method: bytes = b"POST",
    target: bytes = PATH,
    version: bytes = b"HTTP/1.1",
    host: bytes = HOST,
    length: bool = True,
) -> bytes:
    """A request; ``fields`` are whole lines. Without ``length``, what says how long the body is must be in them."""
    head = b"%b %b %b\r\n%b%b%b" % (method, target, version, host, AUTH, fields)
    return head + (b"content-length: %d\r\n" % len(body) if length else b"") + b"\r\n" + body


def chunked(chunks: bytes, *, coding: bytes = b"transfer-encoding: chunked\r\n") -> bytes:
    """A request whose body is ``chunks``, sizes and all."""
    return request(chunks, fields=coding, length=False)


@dataclass(frozen=True)
class Answered:
    """What came back on a connection."""

    raw: bytes
    closed: bool
    """Whether the router ended the connection."""

    @property
    def statuses(self) -> list[int]:
        """Of all answers."""
        return [int(status) for status in _STATUS_LINE.findall(self.raw)]

    @property
    def error(self) -> dict[str, Any]:
        """The error object of the last answer."""
        error: dict[str, Any] = json.loads(self.raw.rpartition(b"\r\n\r\n")[2])["error"]
        return error


async def send(port: int, data: bytes, *, answers: int = 1, wait: float = 5.0) -> Answered:
    """Send ``data`` on a new connection; read until so many answers are there, or the router ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got, closed = b"", False
    try:
        async with asyncio.timeout(wait):
            writer.write(data)
            while not closed and _whole(got) < answers:
                piece = await reader.read(65536)
                got += piece
                closed = not piece
            if b"connection: close" in got:
                closed = closed or not await reader.read(65536)
    except ConnectionError:
        closed = True
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return Answered(got, closed)


def _whole(got: bytes) -> int:
    """How many whole answers begin ``got``; those without a length never are."""
    count = 0
    while (end := got.find(b"\r\n\r\n")) >= 0:
        length = re.search(rb"\r\ncontent-length: (\d+)", got[:end])
        if length is None or len(got) < end + 4 + int(length[1]):
            break
        got = got[end + 4 + int(length[1]) :]
        count += 1
    return count
