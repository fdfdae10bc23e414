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
        self._leaving = False
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

        def protocol() -> RouterProtocol:
            made = RouterProtocol(self._config, self._state, front, loop, self._max_connections)
            if self._leaving:
                made.leave()
            return made

        return protocol

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

    async def drain(self, seconds: float, delay: float = 0.0) -> int:
        """Serve on for ``delay`` seconds, with answers that tell callers to connect anew, which leads them elsewhere.

        Then stop listening, let answers under way finish for at most ``seconds``, and cut the rest. A connection that
        is kept by its caller is closed once it was quiet for ``delay``: just then, a request may be on its way.

        Returns:
            How many connections were cut.
        """
        if self._server is None:
            return 0
        self._leaving = True
        for connection in self._state.connections:
            if isinstance(connection, RouterProtocol):
                connection.leave()
        await asyncio.sleep(delay)
        self._server.close()
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        told = set[object]()
        while self._let_go(delay, told) and clock() < deadline:  # noqa: ASYNC110 - a plain set
            await asyncio.sleep(_POLL_SECONDS)
        for task in (self._pacer, self._refresher):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        cut = list(self._state.connections)
        for connection in cut:
            connection.transport.abort()
        await asyncio.sleep(0)  # Aborted transports close their sockets in the loop's next round.
        return len(cut)

    def _let_go(self, quiet: float, told: set[object]) -> bool:
        """Close what was quiet for so many seconds, tell others once that they should end; False if none is left."""
        for connection in list(self._state.connections):
            if not isinstance(connection, RouterProtocol):
                if connection not in told:
                    told.add(connection)
                    connection.shutdown()
            elif connection.is_quiet(quiet):
                connection.shutdown()
        return bool(self._state.connections)
