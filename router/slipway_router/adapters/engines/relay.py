"""Step: carry one request to a replica and its answer back.

A relay is driven by callbacks: the engine's connection hands it what arrives, the caller's server tells it when the
caller is slow or gone. It tries another replica as long as nothing was answered, and never holds more of an answer
than one read brought, except an engine's error message.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final

from slipway_router.adapters.downstream import Downstream
from slipway_router.adapters.engines.answer_heads import ResponseHead
from slipway_router.adapters.engines.answering import Answer
from slipway_router.adapters.engines.connection import EngineConnection
from slipway_router.adapters.engines.hearing_out import HEAR_SECONDS, HearingOut
from slipway_router.adapters.engines.relay_parts import RelayParts
from slipway_router.adapters.engines.request import request_of
from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.models.balancing import Lease, Replica
from slipway_router.domain.models.catalogue import Model

_log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST: Final = 499
"""Status in metrics and logs of a request whose caller left before the answer began (nginx's convention)."""


class Relay:
    """One request under way."""

    __slots__ = (
        "_answer",
        "_connection",
        "_done",
        "_exchange",
        "_fresh",
        "_last_seen",
        "_lease",
        "_model",
        "_parts",
        "_paused",
        "_task",
        "_tried",
    )

    def __init__(self, exchange: Exchange, model: Model, downstream: Downstream, parts: RelayParts) -> None:
        self._exchange = exchange
        self._model = model
        self._parts = parts
        self._answer = Answer(exchange, model.name, downstream)
        self._lease: Lease | None = None
        self._connection: EngineConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried: list[Replica] = []
        self._fresh = False
        self._last_seen = 0.0
        self._paused = False
        self._done = False

    def start(self) -> None:
        """Send the request to a replica, or wait for one to wake."""
        self._parts.active.add(self)
        lease = self._parts.balancer.pick(self._model.key)
        if lease is not None:
            self._try(lease)
        else:
            self._task = self._parts.loop.create_task(self._guarded(self._hold()))

    # What the caller's server says.

    def pause(self) -> None:
        """Stop reading from the engine until the caller has caught up."""
        self._paused = True
        self._last_seen = self._parts.clock()
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        self._last_seen = self._parts.clock()
        if self._connection is not None:
            self._connection.resume()

    def cancel(self) -> None:
        """The caller is gone: stop the engine's work at once."""
        if self._done:
            return
        self._exchange.status = self._exchange.status or CLIENT_CLOSED_REQUEST
        self._exchange.aborted = "client"
        if self._task is not None:
            self._task.cancel()
        self._leave()

    # Getting the request to a replica.

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        """Answer even if there is a mistake in this program: nobody else watches the task."""
        try:
            await work
        except Exception:
            _log.exception("request %s failed unexpectedly", self._exchange.request_id)
            self._fail(Problem(ErrorCode.INTERNAL, "The router failed on this request."))

    async def _hold(self) -> None:
        try:
            lease = await self._parts.holder.lease(self._exchange, self._model, self._answer.progress)
        except RequestError as error:
            self._fail(error.problem)
        else:
            self._try(lease)

    def _try(self, lease: Lease) -> None:
        self._lease = lease
        self._exchange.attempts += 1
        self._exchange.endpoint = lease.replica.address
        connection = None if self._fresh else self._parts.pools.take(lease.replica)
        if connection is None:
            self._task = self._parts.loop.create_task(self._guarded(self._connect(lease.replica)))
        else:
            self._send(connection, lease.replica)

    async def _connect(self, replica: Replica) -> None:
        try:
            connection = await self._parts.pools.connect(replica, self._model.policy.connect_timeout)
        except OSError as error:
            if replica.endpoint.tls:
                _log.warning("request %s: %s: %s", self._exchange.request_id, replica.address, error)
            self._try_another(ErrorCode.ENGINE_UNREACHABLE)
        else:
            self._send(connection, replica)

    def _send(self, connection: EngineConnection, replica: Replica) -> None:
        self._connection = connection
        self._last_seen = self._parts.clock()
        connection.take(self, request_of(self._exchange, replica))
        self._parts.pools.outbox.add(replica, connection)

    def _try_another(self, code: ErrorCode) -> None:
        """Nothing was answered: on to the next replica, if there may be a next try."""
        if self._lease is not None:
            self._lease.replica.failed(self._parts.clock())
            self._tried.append(self._lease.replica)
        self._release()
        parts, may_try = self._parts, self._exchange.attempts <= self._model.policy.retries
        lease = parts.balancer.pick_rested(self._model.key, self._tried) if may_try else None
        # A replica that cannot be reached has not seen the request: that costs no try.
        if lease is None and (may_try or code is ErrorCode.ENGINE_UNREACHABLE):
            if parts.holder.may_wait(self._exchange.model_name):
                self._task = parts.loop.create_task(self._guarded(self._hold()))
                return
            lease = parts.balancer.pick(self._model.key, self._tried) if may_try else None
        if lease is not None:
            self._try(lease)
        else:
            message = f"No replica of the model '{self._model.name}' answered. Try again."
            self._fail(Problem(code, message, retry_after=1))

    # What the engine's connection says.

    def received(self, head: ResponseHead | None, pieces: list[bytes], complete: bool) -> None:
        """Pass on what one read brought."""
        reply = self._answer
        now = self._last_seen = self._parts.clock()
        if head is not None:
            if self._lease is not None:
                self._lease.replica.answered()
            self._parts.bodies.drop(self._exchange)  # There is no further try from here on.
            reply.take_head(head)
        if reply.refused:
            if reply.collect(pieces, complete):
                self._release()
                reply.refuse()
                self._end()
            return
        if pieces:
            reply.count(pieces, now)
        if complete:
            self._release()
        reply.write(pieces, complete)
        if complete:
            self._end()

    def lost(self, error: Exception) -> None:
        """The connection broke. One kept alive may have been closed by the engine just as the request was sent."""
        connection, lease = self._connection, self._lease
        self._connection = None
        if self._answer.head is not None:
            self._break_off()
        elif connection is not None and connection.used and lease is not None:
            self._fresh = True
            self._exchange.attempts -= 1
            self._try(lease)
        else:
            self._try_another(ErrorCode.ENGINE_FAILED)

    # Ends.

    def check(self, now: float) -> None:
        """Give up if nothing has moved for too long. While connecting or held, other limits count."""
        if self._connection is None:
            return
        policy = self._model.policy
        limit = policy.first_byte_timeout if self._exchange.first_byte is None else policy.idle_timeout
        if self._paused:
            limit = self._parts.caller_timeout
        if now < self._last_seen + limit:
            return
        if self._paused:
            self._answer.abandon()
            self._leave()
        elif self._answer.head is not None and not self._answer.refused:
            self._break_off()
        else:
            self._release()
            self._fail(
                Problem(
                    ErrorCode.ENGINE_TIMEOUT, f"The model '{self._model.name}' did not answer within {limit:.0f} s."
                )
            )

    def check_key(self) -> None:
        """Stop, in the middle of an answer too, if the caller's key was revoked or has expired."""
        credential = self._exchange.credential
        problem = self._parts.withdrawn(credential) if credential and not self._done else None
        if problem is None:
            return
        if self._task is not None:
            self._task.cancel()
        self._answer.withdraw(problem)
        self._leave()

    def _fail(self, problem: Problem) -> None:
        self._answer.fail(problem)
        self._end()

    def _break_off(self) -> None:
        self._release()
        self._answer.break_off()
        self._end()

    def _release(self) -> None:
        """Give back the connection and the place on the replica."""
        lease, connection = self._lease, self._connection
        self._lease = self._connection = None
        if lease is not None:
            if connection is not None:
                self._parts.pools.give_back(lease.replica, connection)
            lease.release()

    def _leave(self) -> None:
        """End without the caller: the engine must stop, and what it has sent until then counts."""
        parts, connection = self._parts, self._connection
        if connection is not None:
            hearing = HearingOut(connection, self._answer.hear, parts.clock() + HEAR_SECONDS, self._heard_out)
            if connection.hang_up(hearing):
                self._connection = None
                parts.active.add(hearing)
                parts.active.discard(self)
                return
        self._end()

    def _heard_out(self, hearing: HearingOut) -> None:
        self._parts.active.discard(hearing)
        self._end()

    def _end(self) -> None:
        if self._done:
            return
        self._done = True
        if self._lease is not None:
            self._release()
        parts, exchange = self._parts, self._exchange
        parts.active.discard(self)
        if exchange.body:
            parts.bodies.drop(exchange)
        self._answer.close_books()
        exchange.ended = parts.clock()
        parts.on_end(exchange)
