"""Nothing waits for the peer's acknowledgement: with kept connections that would be 40 ms for each answer."""

import socket

from slipway_runtime.adapters.http_server import bind


def test_accepted_connections_send_small_pieces_at_once() -> None:
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
