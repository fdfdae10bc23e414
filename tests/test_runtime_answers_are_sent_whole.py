"""An answer's head goes out together with its body, and is not kept back when nothing follows it."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from slipway_runtime.adapters.http_server import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Connection:
    """A transport over a pair of sockets, and the end where its bytes arrive."""

    def __init__(self, transport: asyncio.Transport, peer: socket.socket) -> None:
        self.transport = HeadWithBody(transport)
        self.peer = peer

    async def received(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.peer, size), 5)
        return found


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, near)
    yield Connection(transport, far)
    transport.close()
    far.close()


async def test_nothing_is_sent_between_head_and_body(connection: Connection) -> None:
    connection.transport.write(HEAD)
    with pytest.raises(BlockingIOError):
        connection.peer.recv(1)
    connection.transport.write(b"body")
    assert await connection.received(len(HEAD) + 4) == HEAD + b"body"


async def test_a_head_alone_is_sent_in_the_loops_next_turn(connection: Connection) -> None:
    connection.transport.write(HEAD)
    assert await connection.received(len(HEAD)) == HEAD


async def test_a_head_is_sent_before_the_connection_ends(connection: Connection) -> None:
    connection.transport.write(HEAD)
    connection.transport.close()
    assert await connection.received(len(HEAD)) == HEAD
    assert await asyncio.get_running_loop().sock_recv(connection.peer, 1) == b""
