"""A router in a process of its own, with models and keys that a test names: ``python -m tests.plain_router JSON``."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx2
import uvloop

from slipway_crds.engines import ENGINES, EngineType
from slipway_crds.keys import hash_key
from slipway_router.adapters.process import settle
from slipway_router.app.options import Features, LedgerOptions, StoreOptions
from slipway_router.app.router import serving
from slipway_router.app.router_options import RouterOptions, Sources
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, KeyStore
from slipway_router.domain.models.catalogue import Catalogue, CatalogueStore, Endpoint, Model, operations_of
from tests.eventually import eventually
from tests.programs import program
from tests.runtimes import free_port

ADMIN_KEY = "sk-slipway-admin"


@dataclass(frozen=True)
class Setup:
    """What the router knows."""

    models: Mapping[str, list[int]]
    """Ports of the dummy engines of each model."""
    keys: Mapping[str, str]
    """Names of callers, by their clear keys. One more is `ADMIN_KEY`."""
    folder: str = ""
    store: str = ""
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)


@dataclass(frozen=True)
class PlainRouter:
    """A running router process."""

    setup: Setup
    process: subprocess.Popen[bytes]

    def get(self, path: str, key: str = ADMIN_KEY, **options: object) -> httpx2.Response:
        """A GET on the data port."""
        headers = {"authorization": f"Bearer {key}"}
        return httpx2.get(f"http://127.0.0.1:{self.setup.port}{path}", headers=headers, timeout=10)

    def in_flight(self) -> float:
        """Requests that engines work on."""
        text = httpx2.get(f"http://127.0.0.1:{self.setup.admin_port}/metrics", timeout=10).text
        name = "slipway_router_in_flight_requests{"
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def plain_router(setup: Setup, log: Path) -> Iterator[PlainRouter]:
    """A ready router for the length of a ``with`` block; it may have been killed by then."""
    with program("tests.plain_router", json.dumps(asdict(setup)), log=log) as process:
        router = PlainRouter(setup, process)
        eventually("the router is ready", lambda: router.get("/health").status_code, lambda c: c == 200, within=30)
        yield router


async def _serve(setup: Setup) -> None:
    facts = ENGINES[EngineType.DUMMY]
    tasks = frozenset(facts.default_tasks)
    models = [
        Model(
            name,
            (name,),
            tasks,
            operations_of(EngineType.DUMMY, tasks),
            engine=EngineType.DUMMY,
            endpoints=tuple(Endpoint("127.0.0.1", port) for port in ports),
        )
        for name, ports in setup.models.items()
    ]
    callers = [(hash_key(clear), Key(Caller(name, owner="team"))) for clear, name in setup.keys.items()]
    ring = KeyRing.of([*callers, (hash_key(ADMIN_KEY), Key(Caller("default/admin", admin=True)))])
    features = Features(ledger=LedgerOptions(folder=setup.folder), store=StoreOptions(url=setup.store))
    sources = Sources(CatalogueStore(Catalogue.of(models)), KeyStore(ring), lambda: True)
    options = RouterOptions(features=features)
    async with serving(
        sources, host="127.0.0.1", port=setup.port, admin_port=setup.admin_port, options=options, drain_seconds=5
    ):
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(15, stop.set)
        await stop.wait()


if __name__ == "__main__":
    settle()
    uvloop.run(_serve(Setup(**json.loads(sys.argv[1]))))
