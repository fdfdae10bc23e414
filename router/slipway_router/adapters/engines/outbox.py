"""Requests on their way to engines."""

import asyncio

from slipway_router.adapters.engines.connection import EngineConnection
from slipway_router.domain.models.balancing import Replica


class Outbox:
    """Sends what one turn of the event loop brought for engines together, replica by replica.

    The first request wakes an engine's process, if it is on the same machine; those right behind it find it awake. To
    wake a process on another core takes longer than all the rest of sending.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Replica, list[EngineConnection]] = {}

    def add(self, replica: Replica, connection: EngineConnection) -> None:
        """Have ``connection`` send the request that it has taken, before the loop waits for anything."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        waiting = self._waiting.get(replica)
        if waiting is None:
            self._waiting[replica] = [connection]
        else:
            waiting.append(connection)

    def _send(self) -> None:
        batches, self._waiting = self._waiting, {}
        for connections in batches.values():
            for connection in connections:
                connection.send()
