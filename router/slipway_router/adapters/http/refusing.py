"""How a server's connection says no to what is not HTTP, or too much of it."""

import asyncio
import logging
from typing import Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from slipway_router.adapters.http.cycle import HotCycle
from slipway_router.adapters.http.rules import broken_rule
from slipway_router.domain.errors import ErrorCode, Problem

LINGER_SECONDS: Final = 2.0
"""How long the rest of a refused request is read, and thrown away, so that the client gets to see the answer."""
MAX_HEAD: Final = 65536
"""Bytes of a request's header."""
MAX_FIELDS: Final = 256
"""Fields of a request's header."""
MAX_TOLD: Final = 256
"""Of connections beyond the most, those that are told why they are closed. Further ones are cut."""

_log = logging.getLogger(__name__)


def too_large() -> Problem:
    """What is wrong with a header of too many bytes."""
    return Problem(ErrorCode.HEADERS_TOO_LARGE, f"The header is larger than {MAX_HEAD} bytes.")


class RefusingProtocol(HttpToolsProtocol):
    """A client's connection that can be hung up with an answer."""

    def __init__(
        self, config: Config, server_state: ServerState, loop: asyncio.AbstractEventLoop, max_connections: int
    ) -> None:
        super().__init__(config, server_state, app_state={}, _loop=loop)
        self._max_connections = max_connections
        self._head_bytes = 0
        """Of the header being read, in the reads before the one being parsed."""
        self._read_bytes = 0
        """Of the read being parsed."""
        self._in_head = True
        self._lingering = False
        self._reading_since: float | None = None
        """When the request that is being read began; None if none is."""
        self._idle_since: float | None = None
        """When the last answer ended; None while there is something to do."""
        self._held_since: float | None = None
        """Since when the next request waits for the caller to read the answers before it; None if it need not."""
        self._leaving = False
        """Whether the next answer is the last one, and says so."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Turn the caller away if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._max_connections + MAX_TOLD:
            transport.abort()
        elif len(self.connections) > self._max_connections:
            message = f"The router has {self._max_connections} connections, as many as it may. Try again."
            self.hang_up(Problem(ErrorCode.ROUTER_FULL, message, retry_after=1))

    def _head_problem(self) -> Problem | None:
        """What is wrong with a header that is complete."""
        rule = broken_rule(self.parser.get_http_version(), self.headers)
        if rule:
            return Problem(ErrorCode.INVALID_HTTP, rule)
        if len(self.headers) > MAX_FIELDS:
            return Problem(ErrorCode.HEADERS_TOO_LARGE, f"The header has more than {MAX_FIELDS} fields.")
        if self._head_bytes + self._read_bytes <= MAX_HEAD:
            return None
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return too_large() if size > MAX_HEAD else None

    def hang_up(self, problem: Problem) -> None:
        """Refuse what the client sends, and close. While an answer is going out, it can only be cut off."""
        if self._lingering or self.transport.is_closing():
            return
        cycle = self._newest()
        if cycle is not None and not cycle.response_complete:
            if not isinstance(cycle, HotCycle) or not cycle.interrupt(problem):
                self.transport.abort()
            return
        body = problem.body()
        fields = b"".join(b"%b: %b\r\n" % field for field in problem.headers())
        head = b"%bcontent-type: application/json\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (STATUS_LINE[problem.status], fields, len(body)) + body)
        self._linger()

    def check_pace(self, request_timeout: float) -> None:
        """Close the connection if it was idle or left answers unread for long, or a request takes too long to arrive.

        Called now and then for all connections, in place of a timer for each.
        """
        now = self.loop.time()
        if self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            self.transport.close()
        if self._held_since is not None and now - self._held_since >= request_timeout:
            self.transport.abort()
            return
        if self._reading_since is None or now - self._reading_since < request_timeout or self.flow.read_paused:
            return
        if self._in_head and not self._head_bytes:
            self.transport.close()
        else:
            self.hang_up(Problem(ErrorCode.REQUEST_TIMEOUT, "The request took too long to arrive."))

    def leave(self) -> None:
        """End with the next answer, which tells the caller. The one under way has perhaps begun without telling."""
        self._leaving = True

    def on_headers_complete(self) -> None:
        """Begin to answer, for the last time if the connection is to end."""
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False

    def is_quiet(self, seconds: float) -> bool:
        """Whether no request has come for so long, and none is under way."""
        since = self._idle_since
        if since is None and self._newest() is None and not self._head_bytes:
            since = self._reading_since
        return since is not None and self.loop.time() - since >= seconds

    def _on_callback_error(self, error: httptools.HttpParserCallbackError) -> None:
        if isinstance(error.__context__, httptools.HttpParserInvalidURLError):
            self.hang_up(Problem(ErrorCode.INVALID_HTTP, "The request's path is not valid."))
            return
        _log.error("a request failed unexpectedly", exc_info=error)
        self.hang_up(Problem(ErrorCode.INTERNAL, "The router failed on this request."))

    def _linger(self) -> None:
        """Close a little later: at once, data still on its way would make the kernel throw the answer away."""
        self._lingering = True
        self._reading_since = None
        if self.transport.can_write_eof():  # Not through TLS.
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _newest(self) -> RequestResponseCycle | None:
        return self.cycle  # uvicorn's annotation leaves out that there is none at first.
