"""Listening sockets with uvicorn's protocols behind them, and an orderly end."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from slipway_router.adapters.http.cycle import Front
from slipway_router.adapters.http.protocol import RouterProtocol
from slipway_router.adapters.http.tls import TlsFiles
from slipway_router.adapters.http.websocket_protocol import MAX_FRAME, DrainingSocketProtocol

KEEP_ALIVE_SECONDS: Final = 75
"""Idle connections of callers stay open this long: longer than clients and load balancers keep theirs (60 s)."""
HANDSHAKE_SECONDS: Final = 10.0
"""How long a caller may take to agree on TLS."""
SHUTDOWN_SECONDS: Final = 5.0
"""How long a caller may take to say goodbye in TLS."""
_REFRESH_SECONDS: Final = 1.0
_BACKLOG: Final = 4096
_POLL_SECONDS: Final = 0.05
_PACE_SECONDS: Final = 5.0


class HttpServer:
    """One port. `start`, then `drain`."""

    def __init__(
        self,
        app: ASGIApp,
        front: Front | None = None,
        request_timeout: float = 120.0,
        *,
        max_connections: int = 10_000,
        tls: TlsFiles | None = None,
    ) -> None:
        self._config = Config(
            app,
            http=HttpToolsProtocol,
            ws=DrainingSocketProtocol if front is not None else "none",
            ws_max_size=MAX_FRAME,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._config.load()
        self._front = front
        self._request_timeout = request_timeout
        self._max_connections = max_connections
        self._tls = tls
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._pacer: asyncio.Task[None] | None = None
        self._refresher: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one.

        Raises:
            OSError: the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        tls = self._tls
        self._server = await loop.create_server(
            self._protocol_factory(loop),
            host,
            port,
            backlog=_BACKLOG,
            family=socket.AF_UNSPEC,
            ssl=tls.context if tls else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS if tls else None,
        )
        if tls is not None:
            self._refresher = loop.create_task(self._refresh(tls))
        if self._front is not None:
            self._pacer = loop.create_task(self._watch_pace())

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def _protocol_factory(self, loop: asyncio.AbstractEventLoop) -> Callable[[], HttpToolsProtocol]:
        front = self._front
        if front is None:
            return lambda: HttpToolsProtocol(self._config, self._state, {}, loop)
        return lambda: RouterProtocol(self._config, self._state, front, loop, self._max_connections)

    async def _watch_pace(self) -> None:
        while True:
            await asyncio.sleep(min(_PACE_SECONDS, self._request_timeout))
            for connection in list(self._state.connections):
                if isinstance(connection, RouterProtocol):
                    connection.check_pace(self._request_timeout)

    async def _refresh(self, tls: TlsFiles) -> None:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            tls.refresh()

    async def drain(self, seconds: float) -> int:
        """Stop listening, let answers under way finish for at most ``seconds``, cut the rest.

        Returns:
            How many connections were cut.
        """
        if self._server is None:
            return 0
        self._server.close()
        for task in (self._pacer, self._refresher):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        for connection in list(self._state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + seconds
        while self._state.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a plain set
            await asyncio.sleep(_POLL_SECONDS)
        cut = list(self._state.connections)
        for connection in cut:
            connection.transport.abort()
        await asyncio.sleep(0)  # Aborted transports close their sockets in the loop's next round.
        return len(cut)
