"""Scripts run in a Valkey or Redis server that routers share, many at a time in one round trip.

What requests ask within one turn of the event loop goes out together, on one of a few connections. When the server
does not answer, everything that waits fails at once and so does what comes, until it is back: nobody waits longer than
the timeout, and nearly nobody waits.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Final, Protocol

from valkey.asyncio.connection import AbstractConnection, ConnectionPool
from valkey.exceptions import NoScriptError, ReadOnlyError, ResponseError, ValkeyError

from slipway_router.adapters.limits.protocol import Word, pack
from slipway_router.adapters.throttled_log import ThrottledLog
from slipway_router.domain.limits.verdict import LimitsUnavailableError

_log = logging.getLogger(__name__)

_CONNECTIONS: Final = 4
"""Round trips under way at once."""
_MOST_IN_BATCH: Final = 256
_MOST_ASKED: Final = 10_000
"""Calls that wait to be sent; further ones fail."""
_MOST_TOLD: Final = 100_000
"""The same for calls whose answer nobody waits for; further ones are dropped."""
_RETRY_SECONDS: Final = 1.0
"""Between two tries to reach a server that did not answer."""
_FAILURES: Final = (ValkeyError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script; servers know it by its SHA-1."""

    source: str
    load: bytes = field(init=False)
    """The command that makes it known."""
    _sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "load", pack("SCRIPT", "LOAD", self.source))
        object.__setattr__(self, "_sha", sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    def run(self, keys: tuple[str, ...], arguments: tuple[Word, ...]) -> bytes:
        """The command that runs it."""
        return pack("EVALSHA", self._sha, len(keys), *keys, *arguments)


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script."""

    command: bytes
    answer: "asyncio.Future[Any] | None" = None
    """None if nobody waits for it."""
    orphaned: Callable[[Any], None] | None = None
    """Gets the answer if whoever waited has left."""

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.answer is not None and self.answer.done()

    def fail(self, why: str) -> None:
        """There will be no answer."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(LimitsUnavailableError(why))

    def resolve(self, answer: Any) -> None:
        """Hand the answer to whom it belongs."""
        if self.answer is None:
            return
        if not self.answer.done():
            self.answer.set_result(answer)
        elif self.answer.cancelled() and self.orphaned is not None:
            self.orphaned(answer)


class StoreWatcher(Protocol):
    """Who is told how the store does."""

    def round_trip(self, seconds: float) -> None:
        """A round trip took so long."""
        ...

    def failed(self, reason: str) -> None:
        """A call failed, or a round trip with all calls in it: ``unreachable``, ``refused`` or ``overloaded``."""
        ...

    def dropped(self, count: int) -> None:
        """So many calls without answers were lost."""
        ...

    def reachable(self, is_so: bool) -> None:
        """The server is lost, or back."""
        ...


class ScriptStore:
    """A server, and the way to it."""

    def __init__(self, url: str, timeout: float, scripts: Sequence[Script], watcher: StoreWatcher) -> None:
        """``timeout`` is that of one round trip, in seconds.

        Raises:
            ValueError: ``url`` is no address of a server.
        """
        self._pool = ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=timeout)
        self._timeout = timeout
        self._scripts = scripts
        self._watcher = watcher
        self._throttled = ThrottledLog(_log)
        self._loop = asyncio.get_running_loop()
        self._idle: list[AbstractConnection] = [self._connection() for _ in range(_CONNECTIONS)]
        self._asked: deque[Call] = deque()
        self._told: deque[Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._telling = False
        self._down = ""
        """Why the server does not answer; empty while it does."""
        self.on_return: Callable[[], None] = lambda: None
        """Called when the server is back after it was lost."""

    def ask(
        self, script: Script, keys: tuple[str, ...], arguments: tuple[Word, ...], orphaned: Callable[[Any], None]
    ) -> "asyncio.Future[Any]":
        """Run a script. Its answer goes to ``orphaned`` if the future is cancelled before.

        Raises:
            LimitsUnavailableError: at once or in the future, the server does not answer.
        """
        if self._down:
            raise LimitsUnavailableError(self._down)
        if len(self._asked) >= _MOST_ASKED:
            self._watcher.failed("overloaded")
            raise LimitsUnavailableError("too many calls wait for the store")
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._asked.append(Call(script.run(keys, arguments), answer, orphaned))
        self._schedule()
        return answer

    def tell(self, script: Script, keys: tuple[str, ...], arguments: tuple[Word, ...]) -> None:
        """Run a script whose answer does not matter; it is dropped while the server does not answer.

        Scripts run in the order in which they are told.
        """
        if self._down or len(self._told) >= _MOST_TOLD:
            self._watcher.dropped(1)
            return
        self._told.append(Call(script.run(keys, arguments)))
        self._schedule()

    async def flush(self) -> None:
        """Wait until the server knows all that it was told, or does not answer."""
        while (self._told or self._telling) and not self._down:
            self._dispatch()
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Send what is left to be told, then close the connections."""
        await self.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._idle:
            await connection.disconnect(nowait=True)

    def _connection(self) -> AbstractConnection:
        made: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return made

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        while self._idle and (self._asked or (self._told and not self._telling)):
            asked = [call for call in _taken(self._asked) if not call.given_up]
            told = [] if self._telling else _taken(self._told)
            if asked or told:
                # What is told keeps its order: only one round trip carries it at a time.
                self._telling = self._telling or bool(told)
                self._start(self._send(self._idle.pop(), [*asked, *told], telling=bool(told)))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, connection: AbstractConnection, batch: list[Call], *, telling: bool) -> None:
        begun = self._loop.time()
        try:
            async with asyncio.timeout(None) as limit:
                # In two halves: after this process was held up, what has arrived is read before the time is over.
                half = self._loop.call_later(self._timeout / 2, self._end_in_half, limit)
                try:
                    answers = await self._round_trip(connection, batch)
                finally:
                    half.cancel()
        except Exception as error:  # Whatever it is: nobody may wait for ever.
            await connection.disconnect(nowait=True)
            self._lose(error, batch)
        else:
            self._watcher.round_trip(self._loop.time() - begun)
            for call, answer in zip(batch, answers, strict=True):
                self._deliver(call, answer)
        self._idle.append(connection)
        if telling:
            self._telling = False
        self._dispatch()

    def _end_in_half(self, limit: asyncio.Timeout) -> None:
        limit.reschedule(self._loop.time() + self._timeout / 2)

    def _deliver(self, call: Call, answer: Any) -> None:
        if not isinstance(answer, ResponseError):
            call.resolve(answer)
            return
        self._watcher.failed("refused")
        self._throttled.tell(logging.WARNING, "the store of limits refused a call: %s", answer)
        call.fail(str(answer))

    async def _round_trip(self, connection: AbstractConnection, batch: list[Call]) -> list[Any]:
        reused = connection.is_connected
        try:
            answers = await _exchange(connection, [call.command for call in batch])
        except (ValkeyError, OSError):
            # The server may have closed the connection while nobody used it. A call that it took all the same and
            # did not answer counts twice then: too much, never too little.
            if not reused:
                raise
            await connection.disconnect(nowait=True)
            answers = await _exchange(connection, [call.command for call in batch])
        unknown = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            await _exchange(connection, [script.load for script in self._scripts])
            again = await _exchange(connection, [batch[index].command for index in unknown])
            for index, answer in zip(unknown, again, strict=True):
                answers[index] = answer
        return answers

    def _lose(self, error: Exception, batch: list[Call]) -> None:
        """The server does not answer: fail everything, and look for it."""
        why = str(error) or f"no answer within {self._timeout:g} s"
        self._watcher.failed("unreachable")
        lost = [*batch, *self._asked, *self._told]
        self._asked.clear()
        self._told.clear()
        for call in lost:
            call.fail(why)
        self._watcher.dropped(sum(call.answer is None for call in lost))
        if not self._down:
            self._down = why
            self._watcher.reachable(False)
            _log.warning("the store of limits does not answer: %s", why)
            self._start(self._look_for_it())

    async def _look_for_it(self) -> None:
        connection = self._connection()
        while self._down:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                async with asyncio.timeout(self._timeout):
                    await _exchange(connection, [script.load for script in self._scripts])
            except _FAILURES:
                await connection.disconnect(nowait=True)
            else:
                self._down = ""
        await connection.disconnect(nowait=True)
        self._watcher.reachable(True)
        _log.warning("the store of limits answers again")
        self.on_return()


def _taken(waiting: deque[Call]) -> list[Call]:
    return [waiting.popleft() for _ in range(min(len(waiting), _MOST_IN_BATCH))]


async def _exchange(connection: AbstractConnection, commands: Sequence[bytes]) -> list[Any]:
    """Send commands in one go and read their answers; errors that belong to one command are in its place."""
    await connection.send_packed_command(b"".join(commands), check_health=False)
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response())
        except ReadOnlyError:
            raise  # A primary that has become a replica: only another connection finds the new one.
        except ResponseError as error:
            answers.append(error)
    return answers
