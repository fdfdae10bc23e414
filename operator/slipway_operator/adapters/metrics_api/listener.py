"""A TLS listener that knows each of its connections from the first byte on, so that all of them end with it."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from slipway_operator.adapters.sockets import OpenSockets, hang_up

_log: Final = logging.getLogger(__name__)
_BACKLOG: Final = 128
_HANDSHAKE_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 1.0


class TlsListener:
    """A listening socket. `asyncio.Server` is not used: it forgets connections whose handshake is under way.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol]) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._context = context
        self._protocol = protocol
        self._greeted: dict[asyncio.Task[None], socket.socket] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._connections = OpenSockets()

    @property
    def port(self) -> int:
        """The one that it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @asynccontextmanager
    async def accepting(self) -> AsyncIterator[None]:
        """Take connections while the context lasts, and none afterwards; those that serve by then go on."""
        self._listen()
        try:
            yield
        finally:
            if self._retry is not None:
                self._retry.cancel()
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            # Their handshakes fail. Cancelling would leave the connection open of one that has just succeeded.
            for connection in self._greeted.values():
                hang_up(connection)
            await asyncio.gather(*self._greeted)

    async def end(self) -> None:
        """End the connections that are left, also those whose callers do not answer the farewell."""
        await self._connections.end()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        # Not `loop.sock_accept`, which loses a connection when it is cancelled at the wrong moment.
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # Such as too many open files: not asked again at once, since it would be the same.
            _log.warning("cannot take a connection to the metrics API: %s", error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            self._retry = loop.call_later(_RETRY_SECONDS, self._listen)
            return
        self._connections.add(connection)
        greeted = asyncio.create_task(self._greet(connection))
        self._greeted[greeted] = connection
        greeted.add_done_callback(self._greeted.__delitem__)

    async def _greet(self, connection: socket.socket) -> None:
        # Whoever does not speak TLS, or goes away, has no connection: nobody needs to hear of it.
        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self._context, ssl_handshake_timeout=_HANDSHAKE_SECONDS
            )
