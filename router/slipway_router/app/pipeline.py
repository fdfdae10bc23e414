"""The request pipeline: the steps in their order, and what happens to their errors."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from slipway_router.adapters.downstream import Downstream, Running, answer, replay
from slipway_router.adapters.engines.relay import CLIENT_CLOSED_REQUEST, Relay
from slipway_router.adapters.engines.relay_parts import RelayParts
from slipway_router.domain.api.routes import BY_PATH, below_model
from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.exchange import Ending, Exchange, Fields, Headers, Step
from slipway_router.domain.headers import given_request_id

_log = logging.getLogger(__name__)
_CRASH: Final = Problem(ErrorCode.INTERNAL, "The router failed on this request.")


_LOW_DIGITS: Final = tuple(f"{number:03x}" for number in range(0x1000))


class RequestIds:
    """Names requests: random for the process, then counted."""

    def __init__(self) -> None:
        self._process = f"req-{os.urandom(6).hex()}"
        self._count = 0
        self._prefix = ""

    def __call__(self) -> str:
        """A name that no other request has."""
        if not self._count % len(_LOW_DIGITS):
            self._prefix = f"{self._process}{self._count // len(_LOW_DIGITS):05x}"
        name = self._prefix + _LOW_DIGITS[self._count % len(_LOW_DIGITS)]
        self._count += 1
        return name


class Pipeline:
    """Takes requests from servers through the steps to a relay."""

    def __init__(
        self,
        *,
        on_headers: tuple[Callable[[Exchange], None], ...],
        on_body: tuple[Step, ...],
        on_end: Ending,
        relays: RelayParts,
        max_body_bytes: int,
        new_id: Callable[[], str],
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.bodies = relays.bodies
        self._on_headers = on_headers
        self._on_body = on_body
        self._on_end = on_end
        self._relays = relays
        self._new_id = new_id
        self._clock = relays.clock

    def open(self, method: bytes, path: bytes, headers: Headers | Fields, peer: str) -> Exchange | None:
        """The exchange for an inference request; None for everything else."""
        route, name = BY_PATH.get(path), ""
        if route is None:
            found = below_model(path)
            if found is None:
                return None
            route, name = found
        if method != route.method:
            return None
        fields = dict(headers)
        request_id = given_request_id(fields) or self._new_id()
        exchange = Exchange(route, fields, peer, request_id, self._clock())
        exchange.model_name = name
        return exchange

    def screen(self, exchange: Exchange) -> Problem | None:
        """What is wrong with a request, as far as its header tells."""
        try:
            for step in self._on_headers:
                step(exchange)
        except Exception as error:
            return _problem_of(error, exchange)
        return None

    def run(self, exchange: Exchange, downstream: Downstream) -> Running | None:
        """Answer a request whose body is there; None if it is answered already."""
        return self.go_on(exchange, downstream, self._on_body)

    def go_on(self, exchange: Exchange, downstream: Downstream, steps: Sequence[Step]) -> Running | None:
        """Take the steps that are left, as `run` does with all of those on the body."""
        try:
            for number in range(len(steps)):
                waiting = steps[number](exchange)
                if waiting is not None:
                    return _Wait(self, exchange, downstream, waiting, steps[number + 1 :])
        except Exception as error:
            self.refuse(exchange, _problem_of(error, exchange), downstream)
            return None
        if exchange.stored is not None:
            self.bodies.drop(exchange)
            replay(downstream, exchange, exchange.stored)
            self._close(exchange)
            return None
        if exchange.model is None:
            self.refuse(exchange, _CRASH, downstream)
            return None
        relay = Relay(exchange, exchange.model, downstream, self._relays)
        relay.start()
        return relay

    def refuse(self, exchange: Exchange, problem: Problem, downstream: Downstream) -> None:
        """Answer with an error."""
        self.bodies.drop(exchange)
        answer(downstream, exchange, problem)
        self._close(exchange)

    def give_up(self, exchange: Exchange) -> None:
        """End an exchange whose caller left before it came to a relay."""
        self.bodies.drop(exchange)
        exchange.status = CLIENT_CLOSED_REQUEST
        exchange.aborted = "client"
        self._close(exchange)

    def _close(self, exchange: Exchange) -> None:
        exchange.ended = self._clock()
        self._on_end(exchange)


def _problem_of(error: Exception, exchange: Exchange) -> Problem:
    if isinstance(error, RequestError):
        return error.problem
    _log.error("request %s: a step failed unexpectedly", exchange.request_id, exc_info=error)
    return _CRASH


class _Wait:
    """A request that waits in a step, and what becomes of it then. To its server it is one running request."""

    def __init__(
        self,
        pipeline: Pipeline,
        exchange: Exchange,
        downstream: Downstream,
        work: Awaitable[None],
        next_steps: Sequence[Step],
    ) -> None:
        self._pipeline = pipeline
        self._exchange = exchange
        self._downstream = downstream
        self._next_steps = next_steps
        self._running: Running | None = None
        self._paused = False
        self._task = asyncio.ensure_future(self._wait(work))

    async def _wait(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            problem = _problem_of(error, self._exchange)
            self._pipeline.refuse(self._exchange, problem, self._downstream)
            return
        self._running = self._pipeline.go_on(self._exchange, self._downstream, self._next_steps)
        if self._running is not None and self._paused:
            self._running.pause()

    def pause(self) -> None:
        """The caller reads slower than the answer comes."""
        self._paused = True
        if self._running is not None:
            self._running.pause()

    def resume(self) -> None:
        """The caller has caught up."""
        self._paused = False
        if self._running is not None:
            self._running.resume()

    def cancel(self) -> None:
        """The caller is gone."""
        if self._running is not None:
            self._running.cancel()
        elif not self._task.done():
            self._task.cancel()
            self._pipeline.give_up(self._exchange)
