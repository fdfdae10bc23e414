"""Uvicorn, started on a socket that is already bound: a taken port is an error of ours, not an exit of uvicorn's."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure

BACKLOG = 2048
"""Connections that may wait to be accepted."""


class QuietServer(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal handler: the supervisor decides what a signal means."""
        yield


class HeadWithBody:
    """A transport that sends the head of an answer together with what follows it at once.

    Uvicorn writes them one after the other, and uvloop sends each write by a system call of its own, which costs more
    than most of what else a short answer takes. A head that nothing follows goes out in the loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes) -> None:
        """Send ``data``, now or in the loop's next turn."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._call_soon(self._send_head)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is left, then close."""
        self._send_head()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_head(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


class Protocol(HttpToolsProtocol):
    """Shows applications the transport that a request came by, as the extension ``slipway.transport``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin a connection."""
        super().connection_made(cast("asyncio.Transport", HeadWithBody(transport)))

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {"slipway.transport": {"transport": self.transport}}


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to ``host:port``. Raises RuntimeFailure (InvalidConfiguration) when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted connections inherit it. Head and body of an answer are two pieces, and the second must not wait for the
    # peer's acknowledgement of the first.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message) from error
    return sock


def make_server(app: ASGIApp) -> QuietServer:
    """A server for ``app`` that logs problems only; requests are logged by the router."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    return QuietServer(config)
