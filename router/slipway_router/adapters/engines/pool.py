"""Kept-alive connections to each replica, last used first."""

import asyncio
import ssl
from typing import Final

from slipway_router.adapters.engines.answer_heads import AnswerHeads
from slipway_router.adapters.engines.connection import EngineConnection
from slipway_router.adapters.engines.outbox import Outbox
from slipway_router.domain.models.balancing import Replica

MAX_IDLE: Final = 512
"""Idle connections kept for one replica."""
IDLE_SECONDS: Final = 30.0
"""Idle connections older than this are closed."""


class EnginePools:
    """The connections of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext) -> None:
        self._loop = loop
        self._tls = tls
        """For endpoints that speak TLS: whose certificates are trusted."""
        self._heads = AnswerHeads()
        self.outbox = Outbox(loop)
        self._idle: dict[Replica, list[EngineConnection]] = {}

    def take(self, replica: Replica) -> EngineConnection | None:
        """The most recently used idle connection that is still open."""
        idle = self._idle.get(replica)
        while idle:
            connection = idle.pop()
            if connection.usable:
                return connection
        return None

    async def connect(self, replica: Replica, within: float) -> EngineConnection:
        """A new connection.

        Raises:
            OSError: nobody listens there, nobody trustworthy (`ssl.SSLError`), or not within ``within`` seconds
                (`TimeoutError`).
        """
        endpoint = replica.endpoint
        tls = self._tls if endpoint.tls else None
        try:
            async with asyncio.timeout(within):
                _, connection = await self._loop.create_connection(
                    lambda: EngineConnection(self._heads), endpoint.host, endpoint.port, ssl=tls
                )
        except UnicodeError as error:  # A label of the name is too long for DNS.
            raise OSError(f"{endpoint.host}: {error}") from None
        return connection

    def give_back(self, replica: Replica, connection: EngineConnection) -> None:
        """Take back a connection whose request is over, or cut it if its answer did not end well."""
        if not connection.release():
            return
        idle = self._idle.setdefault(replica, [])
        if replica.retired or len(idle) >= MAX_IDLE:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        idle.append(connection)

    def sweep(self) -> None:
        """Close connections that were idle for long, and all of replicas that are gone."""
        oldest = self._loop.time() - IDLE_SECONDS
        for replica, idle in list(self._idle.items()):
            stale = [c for c in idle if replica.retired or c.closed or c.idle_since < oldest]
            kept = [c for c in idle if c not in stale]
            for connection in stale:
                connection.abort()
            if kept:
                self._idle[replica] = kept
            else:
                del self._idle[replica]

    async def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            for connection in idle:
                connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # Aborted transports close their sockets in the loop's next round.
