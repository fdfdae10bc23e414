"""An engine that streams: one clock sends a chunk to every open stream at each tick.

Each chunk carries the moment it was sent, in nanoseconds of the machine's monotonic clock.
``python -m benchmarks.router.streams_engine PORT``
"""

import asyncio
import sys
import time

import uvloop

from benchmarks.router.traffic import CHUNKS, MODEL, PACE_SECONDS

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_EVENT = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"%b",'
    b'"choices":[{"index":0,"delta":{"content":"@%020d"},"finish_reason":null}]}\n\n'
)
_HEALTH = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"status":"ok"}'


def chunk() -> bytes:
    """The next chunk, framed."""
    event = _EVENT % (MODEL.encode(), time.monotonic_ns())
    return b"%x\r\n%b\r\n" % (len(event), event)


class Stream(asyncio.Protocol):
    """A connection; requests are taken to come in one piece, as these are small."""

    def __init__(self, streams: "set[Stream]") -> None:
        self._streams = streams
        self._left = 0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET"):
            self._transport.write(_HEALTH)
        elif data.startswith(b"POST"):
            self._left = CHUNKS
            self._transport.write(HEAD)
            self._streams.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.discard(self)

    def tick(self) -> None:
        """Send the next chunk."""
        self._left -= 1
        if self._left < 0:
            self._streams.discard(self)
            self._transport.write(END)
        else:
            self._transport.write(chunk())


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    streams: set[Stream] = set()
    await loop.create_server(lambda: Stream(streams), "127.0.0.1", port, backlog=4096)
    due = loop.time()
    while True:
        due += PACE_SECONDS
        await asyncio.sleep(max(0.0, due - loop.time()))
        for stream in list(streams):
            stream.tick()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
