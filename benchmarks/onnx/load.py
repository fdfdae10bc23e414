"""Callers on keep-alive connections, as cheap as Python allows: what they cost is taken from the same cores.

``python -m benchmarks.onnx.load PORT MIX COUNT --connections N [--rate R [--evenly]] [--batch B]`` prints JSON.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import cast

import uvloop

from benchmarks.onnx.texts import texts

_SEED = 7


class _Connection(asyncio.Protocol):
    """One request at a time; the body is counted, not parsed."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._whole = 0
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole and (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            assert head.startswith(b"http/1.1 200"), bytes(self._received)
            self._whole = end + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if self._whole and len(self._received) >= self._whole:
            self._received.clear()
            self._whole = 0
            assert self._done is not None
            self._done.set_result(None)

    async def post(self, request: bytes) -> None:
        assert self.transport is not None
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self._done


def _requests(mix: str, count: int, batch: int, encoding: str) -> list[bytes]:
    inputs = texts(mix, count)
    found = []
    for start in range(0, count, batch):
        part = inputs[start : start + batch]
        body = json.dumps({"model": "m", "input": part if batch > 1 else part[0], "encoding_format": encoding}).encode()
        head = f"POST /v1/embeddings HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found


async def _closed(connections: Sequence[_Connection], requests: Sequence[bytes]) -> list[float]:
    """Every connection sends its next request when the answer is there."""
    rest: Iterator[bytes] = iter(requests)
    seconds: list[float] = []

    async def caller(connection: _Connection) -> None:
        for request in rest:
            begun = time.perf_counter()
            await connection.post(request)
            seconds.append(time.perf_counter() - begun)

    await asyncio.gather(*map(caller, connections))
    return seconds


def _pauses(rate: float, *, evenly: bool) -> Iterator[float]:
    """Seconds between requests of which ``rate`` come in a second: all alike, or at random as Poisson's are."""
    chance = random.Random(_SEED)
    while True:
        yield 1 / rate if evenly else chance.expovariate(rate)


async def _open(connections: Sequence[_Connection], requests: Sequence[bytes], pauses: Iterator[float]) -> list[float]:
    """Requests come after ``pauses``, whether or not answers are there; seconds count from when each is due."""
    free = list(connections)
    seconds: list[float] = []

    async def call(request: bytes, due: float) -> None:
        connection = free.pop()
        await connection.post(request)
        seconds.append(time.perf_counter() - due)
        free.append(connection)

    due = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for request, pause in zip(requests, pauses, strict=False):
            due += pause
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            calls.create_task(call(request, due))
    return seconds


async def _run(asked: argparse.Namespace) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(_Connection, "127.0.0.1", asked.port))[1] for _ in range(asked.connections)
    ]
    requests = _requests(asked.mix, asked.count, asked.batch, asked.encoding)
    begun = time.perf_counter()
    if asked.rate is None:
        seconds = await _closed(connections, requests)
    else:
        seconds = await _open(connections, requests, _pauses(asked.rate, evenly=asked.evenly))
    return {"seconds": time.perf_counter() - begun, "latencies": sorted(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("mix")
    parser.add_argument("count", type=int)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--rate", type=float, help="requests a second; default: as fast as answers come")
    parser.add_argument("--evenly", action="store_true", help="with --rate: all pauses alike, not at random")
    parser.add_argument("--batch", type=int, default=1, help="texts of one request")
    parser.add_argument("--encoding", default="base64")
    print(json.dumps(uvloop.run(_run(parser.parse_args()))))


if __name__ == "__main__":
    main()
