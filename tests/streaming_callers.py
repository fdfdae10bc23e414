"""Many callers who stream at once, one answer after the other, and check every token.

They are a thread with an event loop of its own and speak plain HTTP/1.1: hundreds of them take little of a processor.
"""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httptools

from tests.eventually import eventually

_TOKENS: Final = (24, 30, 42, 60)
"""Lengths of answers. They differ, so that at any moment some begin and some end."""
_ANSWERS_PER_CONNECTION: Final = (1, 3)
"""Half of the callers come with a new connection each time, the others keep theirs for a while."""
_ARRIVALS_PER_SECOND: Final = 100
_CONNECT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 30.0
_MOST_TOLD: Final = 20
"""Failures that are shown. Callers who fail do not come back, so there are never more failures than callers."""


class BrokenError(Exception):
    """An answer ended early, or not as it began."""


@dataclass
class Seen:
    """What happened to the answers so far."""

    running: int = 0
    complete: int = 0
    refused: list[str] = field(default_factory=list)
    """Requests without an answer of 200: turned away, or no connection."""
    broken: list[str] = field(default_factory=list)
    """Answers that began, and were not whole."""

    def require_no_failures(self) -> None:
        """Raises AssertionError with the first of those that were refused or broken."""
        if self.refused or self.broken:
            counted = f"{len(self.refused)} refused, {len(self.broken)} broken, {self.complete} complete"
            raise AssertionError("\n".join([counted, *(self.refused + self.broken)[:_MOST_TOLD]]))


class _Reading(asyncio.Protocol):
    """One connection: writes a request, and checks the answer as it comes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.closed = self._loop.create_future()
        self.keeps = True
        self.status = 0
        self._answer: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.keeps = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokenError(f"cut after {self._next} tokens: {exc!r}"))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}: {error.__context__}")

    async def ask(self, request: bytes, tokens: int) -> None:
        """Send a request and check its answer, all of it. Raises BrokenError or TimeoutError."""
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = self._loop.create_future()
        self._wanted, self._next, self._rest, self._ended, self.status = tokens, 0, b"", False, 0
        self.heard = self._loop.time()
        self._transport.write(request)
        watch = self._loop.call_later(_SILENCE_SECONDS, self._look)
        try:
            await self._answer
        finally:
            watch.cancel()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def _look(self) -> None:
        if self._answer is None or self._answer.done():
            return
        if self._loop.time() - self.heard >= _SILENCE_SECONDS:
            self._fail(f"silent for {_SILENCE_SECONDS:g} s after {self._next} tokens")
        else:
            self._loop.call_later(_SILENCE_SECONDS, self._look)

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BrokenError(why))
        self.close()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"connection" and value.lower() == b"close":
            self.keeps = False

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.heard = self._loop.time()
        self._rest += body
        if self.status == 200:
            *events, self._rest = self._rest.split(b"\n\n")
            for event in events:
                self._take(event)

    def on_message_complete(self) -> None:
        if self._answer is None or self._answer.done():
            return
        if self.status != 200:
            self._answer.set_exception(BrokenError(f"{self.status}: {self._rest[:300].decode(errors='replace')}"))
        elif not self._ended or self._next != self._wanted:
            self._answer.set_exception(BrokenError(f"{self._next} of {self._wanted} tokens"))
        else:
            self._answer.set_result(None)

    def _take(self, event: bytes) -> None:
        if event == b"data: [DONE]":
            self._ended = True
            return
        if not event.startswith(b"data: "):
            return
        body = json.loads(event[6:])
        if "error" in body:
            self._fail(f"an error after {self._next} tokens: {body['error']}")
        for choice in body.get("choices", ()):
            token = choice["delta"].get("content")
            if token is None:
                continue
            if token.strip() != f"tok{self._next}":
                self._fail(f"{token!r} where tok{self._next} was due")
            self._next += 1


class StreamingCallers:
    """``streams`` callers of one model of the dummy engine, for the length of a block."""

    def __init__(self, url: str, key: str, model: str, streams: int) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        self._place = (place.hostname, place.port)
        self._key = key
        self._model = model
        self._streams = streams
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="callers")
        self._lengths = itertools.cycle(_TOKENS)
        self.seen = Seen()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join(30)

    def wait_running(self, within: float = 20) -> None:
        """Until all of them have an answer running."""
        eventually("all stream", lambda: self.seen.running, lambda running: running >= self._streams, within=within)

    @contextmanager
    def undisturbed(self, at_least: int) -> Iterator[None]:
        """Assert that all stream when the block begins, and that in it none is refused or broken.

        ``at_least`` so many more answers must have come whole: requests kept coming.
        """
        self.wait_running()
        complete = self.seen.complete
        self.seen.require_no_failures()
        yield
        eventually("answers come", lambda: self.seen.complete - complete, lambda n: n >= at_least, within=30)
        self.seen.require_no_failures()

    async def _run(self) -> None:
        callers = [asyncio.create_task(self._call(number)) for number in range(self._streams)]
        await asyncio.to_thread(self._stopping.wait)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    async def _call(self, number: int) -> None:
        await asyncio.sleep(number / _ARRIVALS_PER_SECOND)
        answers = _ANSWERS_PER_CONNECTION[number % len(_ANSWERS_PER_CONNECTION)]
        began = time.strftime("%H:%M:%S")
        connection: _Reading | None = None
        try:
            while True:
                connection = await self._connect()
                for _ in range(answers):
                    began = time.strftime("%H:%M:%S")
                    await self._answered(connection)
                    if not connection.keeps:
                        break
                connection.close()
        except (BrokenError, OSError) as error:
            status = connection.status if connection is not None else 0
            failures = self.seen.broken if status == 200 else self.seen.refused
            failures.append(f"caller {number}, asked at {began}, {time.strftime('%H:%M:%S')}: {error}")
        finally:
            if connection is not None:
                connection.close()

    async def _connect(self) -> _Reading:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await asyncio.get_running_loop().create_connection(_Reading, *self._place)
        return connection

    async def _answered(self, connection: _Reading) -> None:
        tokens = next(self._lengths)
        self.seen.running += 1
        try:
            await connection.ask(self._request(tokens), tokens)
        finally:
            self.seen.running -= 1
        self.seen.complete += 1

    def _request(self, tokens: int) -> bytes:
        content: dict[str, Any] = {"model": self._model, "stream": True, "max_tokens": tokens}
        body = json.dumps({**content, "messages": [{"role": "user", "content": "go"}]}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {self._place[0]}\r\nauthorization: Bearer {self._key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
