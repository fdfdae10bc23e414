"""The request pipeline: the steps in their order, and what happens to their errors."""

import itertools
import logging
import os
from collections.abc import Callable
from typing import Final

from slipway_router.adapters.downstream import Downstream, answer
from slipway_router.adapters.relay import Relay, RelayParts
from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.exchange import Exchange, Headers, Step
from slipway_router.domain.headers import given_request_id
from slipway_router.domain.routes import BY_PATH, below_model

_log = logging.getLogger(__name__)
_CRASH: Final = Problem(ErrorCode.INTERNAL, "The router failed on this request.")


class RequestIds:
    """Names requests: random for the process, then counted."""

    def __init__(self) -> None:
        self._prefix = f"req-{os.urandom(6).hex()}"
        self._count = itertools.count(1)

    def __call__(self) -> str:
        """A name that no other request has."""
        return f"{self._prefix}{next(self._count):08x}"


class Pipeline:
    """Takes requests from servers through the steps to a relay."""

    def __init__(
        self,
        *,
        on_headers: tuple[Step, ...],
        on_body: tuple[Step, ...],
        on_end: Callable[[Exchange], None],
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

    def open(self, method: bytes, path: bytes, headers: Headers, peer: str) -> Exchange | None:
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
        return Exchange(route, fields, peer, request_id, self._clock(), model_name=name)

    def screen(self, exchange: Exchange) -> Problem | None:
        """What is wrong with a request, as far as its header tells."""
        return self._walk(self._on_headers, exchange)

    def run(self, exchange: Exchange, downstream: Downstream) -> Relay | None:
        """Answer a request whose body is there; None if it is answered already."""
        problem = self._walk(self._on_body, exchange)
        if problem is not None or exchange.model is None:
            self.refuse(exchange, problem or _CRASH, downstream)
            return None
        relay = Relay(exchange, exchange.model, downstream, self._relays)
        relay.start()
        return relay

    def refuse(self, exchange: Exchange, problem: Problem, downstream: Downstream) -> None:
        """Answer with an error."""
        self.bodies.drop(exchange)
        answer(downstream, exchange, problem)
        exchange.ended = self._clock()
        self._on_end(exchange)

    def _walk(self, steps: tuple[Step, ...], exchange: Exchange) -> Problem | None:
        try:
            for step in steps:
                step(exchange)
        except RequestError as error:
            return error.problem
        except Exception:
            _log.exception("request %s: a step failed unexpectedly", exchange.request_id)
            return _CRASH
        return None
