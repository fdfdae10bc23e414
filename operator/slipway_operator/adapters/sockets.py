"""Sockets that end when they are told to, whatever TLS is doing above them."""

import asyncio
import socket
from contextlib import suppress
from typing import Final
from weakref import WeakSet

_LOOKS: Final = 100
_LOOK_SECONDS: Final = 0.01
_CLOSED: Final = -1


class OpenSockets:
    """The sockets of an asyncio server or client.

    asyncio ends a TLS connection with a farewell, and waits half a minute for the other side's. Its transports take no
    ``abort`` once both sides have closed them, and none can be had of a handshake that is under way. Hence the sockets:
    one that is shut down ends the transport above it.
    """

    def __init__(self) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()

    def add(self, one: socket.socket) -> None:
        """Take one more, whose transport closes it."""
        self._sockets.add(one)

    async def end(self) -> None:
        """End the connections that are left and wait, up to a second, until the transports have closed them."""
        for each in self._sockets:
            hang_up(each)
        for _ in range(_LOOKS):
            if all(each.fileno() == _CLOSED for each in self._sockets):
                return
            await asyncio.sleep(_LOOK_SECONDS)


def hang_up(connection: socket.socket) -> None:
    """End it for both sides, if it is still there."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
