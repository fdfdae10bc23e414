"""Keeps a number of streams open for some seconds and prints, as JSON, how late chunks came.

``python -m benchmarks.router.streams_load PORT STREAMS SECONDS``
"""

import asyncio
import json
import re
import statistics
import sys
import time

import uvloop

from benchmarks.router.traffic import CHUNKS, request

_STAMP = re.compile(rb'"@(\d{20})"')
_WARM_UP_SECONDS = 1.0


class Tally:
    """What was seen after the warm-up."""

    def __init__(self) -> None:
        self.delays_ms: list[float] = []
        self.first_ms: list[float] = []
        self.short = 0
        self.errors = 0
        self.starts_at = time.monotonic() + _WARM_UP_SECONDS


class Caller(asyncio.Protocol):
    """Asks for a stream, reads it to its end, asks again on the same connection."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._request = request(port)
        self._tally = tally
        self._rest = b""
        self._asked = 0.0
        self._got = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._ask()

    def _ask(self) -> None:
        self._asked, self._got, self._rest = time.monotonic(), 0, b""
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        counts = now >= self._tally.starts_at
        end = 0
        for stamp in _STAMP.finditer(data):
            if counts:
                self._tally.delays_ms.append(now * 1e3 - int(stamp[1]) / 1e6)
                if not self._got:
                    self._tally.first_ms.append((now - self._asked) * 1e3)
            self._got += 1
            end = stamp.end()
        self._rest = data[end:]
        if self._rest.endswith(b"0\r\n\r\n") and b"[DONE]" in self._rest:
            self._tally.short += self._got != CHUNKS
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.errors += 1


async def load(port: int, streams: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    tally = Tally()
    for _ in range(streams):
        await loop.create_connection(lambda: Caller(port, tally), "127.0.0.1", port)
    await asyncio.sleep(tally.starts_at + seconds - time.monotonic())
    cuts = statistics.quantiles(tally.delays_ms, n=100)
    return {
        "chunks_per_s": len(tally.delays_ms) / seconds,
        "first_byte_p50_ms": statistics.median(tally.first_ms),
        "chunk_p50_ms": cuts[49],
        "chunk_p99_ms": cuts[98],
        "errors": tally.errors + tally.short,
    }


if __name__ == "__main__":
    json.dump(uvloop.run(load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))), sys.stdout)
