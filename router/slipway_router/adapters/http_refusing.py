"""How a server's connection says no to what is not HTTP, or too much of it."""

import asyncio
from typing import Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from slipway_router.domain.errors import Problem

LINGER_SECONDS: Final = 2.0
"""How long the rest of a refused request is read, and thrown away, so that the client gets to see the answer."""


class RefusingProtocol(HttpToolsProtocol):
    """A client's connection that can be hung up with an answer."""

    def __init__(self, config: Config, server_state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, server_state, app_state={}, _loop=loop)
        self._lingering = False
        self._reading_since: float | None = None
        """When the request that is being read began; None if none is."""

    def hang_up(self, problem: Problem) -> None:
        """Refuse what the client sends, and close. While an answer is going out, it can only be cut off."""
        if self._lingering or self.transport.is_closing():
            return
        cycle = self._newest()
        if cycle is not None and not cycle.response_complete:
            self.transport.abort()
            return
        body = problem.body()
        head = b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (STATUS_LINE[problem.status], len(body)) + body)
        self._linger()

    def _linger(self) -> None:
        """Close a little later: at once, data still on its way would make the kernel throw the answer away."""
        self._lingering = True
        self._reading_since = None
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _newest(self) -> RequestResponseCycle | None:
        return self.cycle  # uvicorn's annotation leaves out that there is none at first.
