"""What each feature costs the router: microseconds of its own work per request and per streamed chunk.

Without sockets, so without the kernel's and the event loop's work: see `benchmarks.router.hot_path`. Every variant gets
its turn in every round, and the fastest burst of each counts, since a busy machine only ever adds to it.
``python -m benchmarks.router.features``
"""

import argparse
import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from benchmarks.router.hot_path import (
    CALLERS,
    PLAIN_ANSWER,
    REQUEST,
    STREAM_REQUEST,
    STREAMED_ANSWER,
    HotPath,
    WireLoop,
    hot_path,
)
from benchmarks.router.slipway import PLENTY, options_of
from benchmarks.router.traffic import CHUNKS, KEY
from slipway_router.adapters.process import settle
from slipway_router.adapters.telemetry.metrics import RequestMetrics
from slipway_router.domain.api.routes import BY_PATH
from slipway_router.domain.callers.authentication import Authenticate
from slipway_router.domain.callers.keys import NO_LIMITS, Caller, Key, KeyRing, KeyStore, Limits
from slipway_router.domain.exchange import Exchange

_BURST: Final = 200
"""Calls of a step whose time is taken together."""
_TURNS: Final = 12
"""Turns of all callers whose time is taken together."""

Variant = tuple[bool, Limits, bool]
"""Access log, limits, and whether the ledger is in files."""
VARIANTS: Final[Mapping[str, Variant]] = {
    "everything": (True, PLENTY, True),
    "no access log": (False, PLENTY, True),
    "no limits": (True, NO_LIMITS, True),
    "ledger in memory": (True, PLENTY, False),
    "none of the three": (False, NO_LIMITS, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.router.features", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every variant (default %(default)s)")
    parser.add_argument("--bursts", type=int, default=15, help="bursts in a turn (default %(default)s)")
    arguments = parser.parse_args()
    settle()
    best = {name: (float("inf"), float("inf")) for name in VARIANTS}
    with Path(os.devnull).open("wb") as nowhere:
        for _ in range(arguments.rounds):
            for name, variant in VARIANTS.items():
                with asyncio.Runner(loop_factory=WireLoop) as runner:
                    found = runner.run(_turn(variant, arguments.bursts, nowhere))
                best[name] = min(best[name][0], found[0]), min(best[name][1], found[1])
    print("| variant | us per request | us per chunk |\n| --- | ---: | ---: |")
    for name, (request, chunk) in best.items():
        print(f"| {name} | {request:.1f} | {chunk:.2f} |")
    for name, cost in _steps():
        print(f"| of it: {name} | {cost:.1f} | |")


async def _turn(variant: Variant, bursts: int, nowhere: BinaryIO) -> tuple[float, float]:
    logs, limits, files = variant
    with tempfile.TemporaryDirectory() as folder:
        async with hot_path(nowhere if logs else None, options_of(folder if files else ""), limits) as path:
            requests, chunks = [], []
            for _ in range(bursts):
                requests.append(await _microseconds_each(path, _TURNS, REQUEST, PLAIN_ANSWER))
                chunks.append(await _microseconds_each(path, 1, STREAM_REQUEST, *STREAMED_ANSWER) / CHUNKS)
            return min(requests[1:]), min(chunks[1:])


async def _microseconds_each(path: HotPath, turns: int, request: bytes, *reads: bytes) -> float:
    begin = time.thread_time()
    for _ in range(turns):
        await path.ask(request, *reads)
    return (time.thread_time() - begin) / (turns * CALLERS) * 1e6


def _microseconds(times: int, work: Callable[[], None]) -> float:
    begin = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - begin) / times * 1e6


def _steps() -> list[tuple[str, float]]:
    """Steps that cannot be switched off, each alone."""
    ring = KeyRing.of([(hashlib.sha256(KEY.encode()).hexdigest(), Key(Caller("default/bench")))])
    authenticate, count = Authenticate(KeyStore(ring), time.time), RequestMetrics()
    fields = {b"authorization": b"Bearer " + KEY.encode()}
    exchange = Exchange(BY_PATH[b"/v1/chat/completions"], fields, "127.0.0.1", "req-1", 0.0)
    steps = (("keys", lambda: authenticate(exchange)), ("metrics", lambda: count(exchange)))
    return [(name, min(_microseconds(_BURST, work) for _ in range(100))) for name, work in steps]


if __name__ == "__main__":
    main()
