"""Engines that run in this process: an ASGI application on the data port, in a thread with a loop of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from functools import partial
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from slipway_runtime.adapters.concurrency import BoundedConcurrency, Concurrency, Refuse, refuse_in_openais_envelope
from slipway_runtime.adapters.http_server import BACKLOG, QuietServer, bind, make_server
from slipway_runtime.adapters.threads import run_in_thread
from slipway_runtime.adapters.tracing import RequestSpans
from slipway_runtime.domain.engine import EngineExit

_STOP_SECONDS = 10.0


class ModelServer(Protocol):
    """One in-process engine's model and its HTTP application."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``; asked again after ``load``, which may find that the GPU cannot be used."""

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given; None when the device is the one that was asked for."""

    def load(self) -> None:
        """Load the weights, blocking. Raises RuntimeFailure."""

    def application(self, crash: Callable[[EngineExit], None]) -> ASGIApp:
        """The HTTP application of the loaded model; ``crash`` ends the engine as a process of its own would end."""

    def metrics(self) -> str:
        """Prometheus text."""

    def close(self) -> None:
        """Free what ``load`` took."""


class InProcessEngine:
    """Serves a ModelServer on the data port. An ``Engine``.

    The thread keeps inference code that holds up its event loop from holding up the control port.
    """

    def __init__(
        self,
        model: ModelServer,
        host: str,
        port: int,
        bound: Concurrency,
        refuse: Refuse = refuse_in_openais_envelope,
        spans: RequestSpans | None = None,
    ) -> None:
        self._model = model
        self._spans = spans
        self._bound = bound
        self._refuse = refuse
        self._address = (host, port)
        self._in_flight = 0
        self._exit: Future[EngineExit] = Future()
        self._bounded: BoundedConcurrency | None = None
        self._server: QuietServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._model.device

    @property
    def device_fallback(self) -> str | None:
        """Why the CPU is used although GPUs were given."""
        return self._model.device_fallback

    async def start(self) -> None:
        """Load the model and listen."""
        sock = bind(*self._address)
        try:
            await run_in_thread(self._model.load, name="load")
        except BaseException:
            sock.close()
            raise
        bounded = BoundedConcurrency(self._model.application(self._ended), self._bound, self._refuse)
        counted = self._counting(bounded)
        server = self._server = make_server(counted if self._spans is None else self._spans.wrap(counted))
        self._bounded = bounded
        self._thread = threading.Thread(target=self._serve, args=(server, sock), name="data-port", daemon=True)
        # Only now, so that nobody's request waits while the model loads; the thread need not be waited for.
        sock.listen(BACKLOG)
        self._thread.start()

    async def wait(self) -> EngineExit:
        """Return when the engine has ended."""
        return await asyncio.shield(asyncio.wrap_future(self._exit))

    async def in_flight(self) -> int:
        """Requests whose answer is not complete."""
        return self._in_flight

    async def metrics(self) -> str:
        """The model's metrics, and how many requests are at work and waiting."""
        text = self._model.metrics()
        return text if self._bounded is None else text + self._bounded.metrics()

    async def stop(self) -> EngineExit:
        """End the server, open requests included."""
        if self._server is None or self._thread is None:
            self._ended(EngineExit(0))
        else:
            self._server.should_exit = self._server.force_exit = True
            await run_in_thread(partial(self._thread.join, _STOP_SECONDS), name="stop")
        self._model.close()
        if self._spans is not None:
            await run_in_thread(self._spans.close, name="last-spans")
        return await self.wait()

    def _serve(self, server: QuietServer, sock: socket.socket) -> None:
        try:
            server.run(sockets=[sock])
            end = EngineExit(0)
        except Exception as error:
            end = EngineExit(1, f"the server on the data port ended: {error!r}")
        self._ended(end)

    def _ended(self, end: EngineExit) -> None:
        with contextlib.suppress(InvalidStateError):  # it ends once, whoever says so first
            self._exit.set_result(end)

    def _counting(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            # Only the data port's thread changes the count; others read it.
            self._in_flight += 1
            try:
                await app(scope, receive, send)
            finally:
                self._in_flight -= 1

        return counted
