"""The router as a contender: one model, one key. ``python -m benchmarks.router.slipway PORT ENGINE…``"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

import uvloop

from benchmarks.router.traffic import KEY, MODEL
from slipway_crds.engines import EngineType, Task
from slipway_crds.keys import hash_key
from slipway_router.adapters.process import settle
from slipway_router.app.options import Features, LedgerOptions
from slipway_router.app.router import serving
from slipway_router.app.router_options import RouterOptions, Sources
from slipway_router.domain.callers.keys import Caller, Key, KeyRing, KeyStore, Limits
from slipway_router.domain.models.catalogue import Catalogue, CatalogueStore, Endpoint, Model, operations_of

PLENTY: Final = Limits(
    requests_per_minute=10**9, tokens_per_minute=10**12, tokens_per_day=10**12, concurrent_requests=10**6
)
"""Limits of every kind that nobody reaches."""


def sources_of(engine_ports: Sequence[int], limits: Limits = PLENTY) -> Sources:
    """One model of vLLM with a replica at each port, open to one key."""
    model = Model(
        MODEL,
        (MODEL,),
        frozenset({Task.CHAT}),
        operations_of(EngineType.VLLM, [Task.CHAT]),
        engine=EngineType.VLLM,
        endpoints=tuple(Endpoint("127.0.0.1", engine) for engine in engine_ports),
    )
    keys = KeyRing.of([(hash_key(KEY), Key(Caller("default/bench", limits=limits)))])
    return Sources(CatalogueStore(Catalogue.of([model])), KeyStore(keys), lambda: True)


def options_of(ledger: str) -> RouterOptions:
    """A router whose account of used tokens is kept in the folder ``ledger``, in memory if it is empty."""
    return RouterOptions(features=Features(ledger=LedgerOptions(folder=ledger)))


async def serve(port: int, engine_ports: Sequence[int], access_log: BinaryIO, ledger: str) -> None:
    options = options_of(ledger)
    async with serving(sources_of(engine_ports), host="127.0.0.1", port=port, access_log=access_log, options=options):
        await asyncio.Event().wait()


if __name__ == "__main__":
    settle()  # As slipway_router.main does.
    with Path(os.devnull).open("wb") as nowhere, tempfile.TemporaryDirectory() as folder:
        uvloop.run(serve(int(sys.argv[1]), [int(port) for port in sys.argv[2:]], nowhere, folder))
