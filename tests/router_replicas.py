"""Real router processes with a fixed world: one engine, one key with limits, perhaps a shared store.

As a program: ``python -m tests.router_replicas JSON`` serves until SIGTERM, as `Replica` describes it.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from slipway_router.app.options import Features
from slipway_router.app.router import serving
from slipway_router.app.router_options import RouterOptions, Sources
from slipway_router.domain.callers.keys import KeyStore, Limits
from slipway_router.domain.models.catalogue import Catalogue, CatalogueStore
from tests.eventually import eventually
from tests.limited_callers import LIMITED_KEY, ring_of
from tests.programs import end, program
from tests.routers import model
from tests.runtimes import free_port


@dataclass(frozen=True)
class Replica:
    """What a process serves."""

    engine_port: int
    limits: dict[str, int]
    features: dict[str, Any]
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)


@dataclass(frozen=True)
class RunningReplica:
    """A process that serves."""

    process: subprocess.Popen[bytes]
    port: int
    admin_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, **fields: Any) -> httpx2.Response:
        """A chat with the limited key."""
        body = {"model": "chat-a", "messages": [{"role": "user", "content": "Hi"}], **fields}
        headers = {"authorization": f"Bearer {LIMITED_KEY}"}
        return httpx2.post(f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=30)

    def metric(self, name: str) -> float:
        """The sum of the samples of a metric."""
        text = httpx2.get(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5).text
        lines = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        end(self.process, number)


@contextmanager
def running_replica(
    folder: Path, engine_port: int, limits: Limits, features: dict[str, Any]
) -> Iterator[RunningReplica]:
    """A router process for the length of a ``with`` block."""
    replica = Replica(engine_port, {k: v for k, v in asdict(limits).items() if v is not None}, features)
    log = folder / f"router-{replica.port}.log"
    with program("tests.router_replicas", json.dumps(asdict(replica)), log=log) as process:
        ready = f"http://127.0.0.1:{replica.admin_port}/readyz"
        eventually("the router is ready", lambda: httpx2.get(ready).status_code, lambda c: c == 200, within=30)
        yield RunningReplica(process, replica.port, replica.admin_port)


async def serve(replica: Replica) -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    catalogue = CatalogueStore(Catalogue.of([model("chat-a", replica.engine_port)]))
    sources = Sources(catalogue, KeyStore(ring_of(Limits(**replica.limits))), lambda: True)
    options = RouterOptions(features=Features.model_validate(replica.features))
    async with serving(sources, host="127.0.0.1", port=replica.port, admin_port=replica.admin_port, options=options):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(Replica(**json.loads(sys.argv[1]))))
