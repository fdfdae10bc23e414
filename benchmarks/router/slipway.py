"""The router as a contender: one model, one key. ``python -m benchmarks.router.slipway PORT ENGINE…``"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import uvloop

from benchmarks.router.traffic import KEY, MODEL
from slipway_crds.engines import Operation, Task
from slipway_crds.keys import hash_key
from slipway_router.adapters.process import settle
from slipway_router.app.router import Sources, serving
from slipway_router.domain.catalogue import Catalogue, CatalogueStore, Endpoint, Model
from slipway_router.domain.keys import Caller, Key, KeyRing, KeyStore


def sources_of(engine_ports: Sequence[int]) -> Sources:
    """One model with a replica at each port, open to one key."""
    endpoints = tuple(Endpoint("127.0.0.1", engine) for engine in engine_ports)
    model = Model(MODEL, (MODEL,), frozenset({Task.CHAT}), frozenset({Operation.CHAT_COMPLETIONS}), endpoints=endpoints)
    keys = KeyRing.of([(hash_key(KEY), Key(Caller("default/bench")))])
    return Sources(CatalogueStore(Catalogue.of([model])), KeyStore(keys), lambda: True)


async def serve(port: int, engine_ports: Sequence[int], access_log: BinaryIO) -> None:
    sources = sources_of(engine_ports)
    async with serving(sources, host="127.0.0.1", port=port, access_log=access_log):
        await asyncio.Event().wait()


if __name__ == "__main__":
    settle()  # As slipway_router.main does.
    with Path(os.devnull).open("wb") as nowhere:
        uvloop.run(serve(int(sys.argv[1]), [int(port) for port in sys.argv[2:]], nowhere))
