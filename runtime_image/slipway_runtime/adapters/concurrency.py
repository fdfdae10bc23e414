"""How many requests an in-process engine works on at once, how many may wait, and what the others are told."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slipway_runtime.adapters.openai_http import MAX_BODY_BYTES, error_response
from slipway_runtime.domain.openai import ApiError

_WAITING_FOR_EACH = 4
_FEWEST_WAITING = 16
_RETRY_AFTER_SECONDS = 1

Refuse = Callable[[Scope], Response]


@dataclass(frozen=True)
class Concurrency:
    """Bounds of one engine, in requests."""

    at_work: int
    waiting: int
    """How many may wait beyond those at work."""

    @classmethod
    def of(cls, at_work: int) -> "Concurrency":
        """``at_work``, and a few waiting for each, so that a finished request is followed at once by the next."""
        return cls(at_work, max(_FEWEST_WAITING, _WAITING_FOR_EACH * at_work))


def refuse_in_openais_envelope(_: Scope) -> Response:
    """429 in OpenAI's error envelope."""
    message = "the engine has as many requests as it may hold, at work and waiting; try again"
    error = ApiError(429, message, kind="rate_limit_error", code="engine_overloaded", retry_after=_RETRY_AFTER_SECONDS)
    return error_response(error)


class BoundedConcurrency:
    """An ASGI application around ``app`` whose POST requests keep to ``bound``; all others pass.

    A place at work is taken once the request's body is there, so that a slow upload keeps nobody waiting, and it is
    kept until the whole answer is sent. A caller that hangs up while waiting gives its place back at once.
    """

    def __init__(self, app: ASGIApp, bound: Concurrency, refuse: Refuse = refuse_in_openais_envelope) -> None:
        self._app = app
        self._refuse = refuse
        self._places = bound.at_work + bound.waiting
        self._inside = 0
        self._running = 0
        self._refused = 0
        self._at_work = asyncio.Semaphore(bound.at_work)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif self._inside >= self._places:
            self._refused += 1
            await self._refuse(scope)(scope, receive, send)
        else:
            self._inside += 1
            try:
                await self._serve(scope, _ReadAhead(receive), send)
            finally:
                self._inside -= 1

    def metrics(self) -> str:
        """Prometheus text: how many requests are where now, and how many found no place."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Counts(self._running, self._inside - self._running, self._refused))
        return generate_latest(registry).decode()

    async def _serve(self, scope: Scope, request: "_ReadAhead", send: Send) -> None:
        await request.read()
        if not await self._take_place(request):
            return
        self._running += 1
        try:
            await self._app(scope, request, send)
        finally:
            self._running -= 1
            self._at_work.release()

    async def _take_place(self, request: "_ReadAhead") -> bool:
        if not self._at_work.locked():
            return await self._at_work.acquire()
        taking: asyncio.Future[Any] = asyncio.ensure_future(self._at_work.acquire())
        hang_up = asyncio.ensure_future(request.hang_up())
        try:
            await asyncio.wait({taking, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._give_up(taking)
            raise
        finally:
            hang_up.cancel()
        if hang_up.done():
            self._give_up(taking)
        return not hang_up.done()

    def _give_up(self, taking: "asyncio.Future[Any]") -> None:
        if not taking.cancel():
            self._at_work.release()


class _Counts(Collector):
    def __init__(self, running: int, waiting: int, refused: int) -> None:
        self._values = (running, waiting, refused)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        running, waiting, refused = self._values
        yield GaugeMetricFamily("slipway_engine_requests_running", "Requests that are worked on.", running)
        yield GaugeMetricFamily("slipway_engine_requests_waiting", "Requests that wait for a place.", waiting)
        yield CounterMetricFamily("slipway_engine_requests_refused", "Requests answered with 429.", refused)


class _ReadAhead:
    """A ``Receive`` whose request body has been read before it is asked for, up to the size that engines take.

    What lies beyond is left to the application, which refuses it.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self._next = 0
        self._complete = False
        self._gone = asyncio.Event()

    async def read(self) -> None:
        """Take the body, or notice that the caller has gone."""
        size = 0
        while not self._complete and size <= MAX_BODY_BYTES:
            message = await self._receive()
            self._messages.append(message)
            if message["type"] == "http.disconnect":
                self._gone.set()
            size += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)

    async def hang_up(self) -> None:
        """Return when the caller has gone. A body that was not read to its end is not read further: then never."""
        while self._complete and not self._gone.is_set():
            if (await self._receive())["type"] == "http.disconnect":
                self._gone.set()
        await self._gone.wait()

    async def __call__(self) -> Message:
        """The next message."""
        if self._next == len(self._messages):
            return await self._receive()
        message, self._messages[self._next] = self._messages[self._next], {}
        self._next += 1
        return message
