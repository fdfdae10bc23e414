"""Step: one line per request, as JSON or for people.

They are written in batches by a thread, so that a slow reader never holds up an answer.
They say who asked for what and how it went; never what was said.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import UNSET

from slipway_router.adapters.telemetry.request_line import RequestLine
from slipway_router.domain.exchange import Exchange

FLUSH_SECONDS: Final = 0.25
MAX_PENDING: Final = 20_000
"""Lines kept while the stream is slow; further ones are counted and dropped."""
_UTC: Final = "+00:00"
_MILLISECONDS: Final = tuple(f"{number:03d}" for number in range(1000))

_encode: Final = msgspec.json.Encoder().encode
"""Lines as large as their text. orjson's would keep their buffers of 8 KiB until they are written."""


class AccessLog:
    """Collects lines and writes them to a stream."""

    def __init__(
        self,
        stream: BinaryIO,
        loop: asyncio.AbstractEventLoop,
        log_format: Literal["json", "pretty"] = "json",
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream
        self._pretty = log_format == "pretty"
        self._now = wall_clock
        self._millisecond = 0
        self._second = -1
        self._to_second = ""
        self._time = ""
        self._loop = loop
        self._pending: list[bytes] = []
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None

    def __call__(self, exchange: Exchange) -> None:
        """Note one finished exchange."""
        if len(self._pending) >= MAX_PENDING:
            self._dropped += 1
            return
        when = self._when()
        self._pending.append(pretty(exchange, when).encode() if self._pretty else _encode(record(exchange, when)))
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush)

    def _when(self) -> str:
        """The time as in the program's log. The busier the router, the more lines share one text."""
        now = int(self._now() * 1000)
        if now != self._millisecond:
            self._millisecond = now
            if now // 1000 != self._second:
                self._second = now // 1000
                self._to_second = datetime.fromtimestamp(self._second, UTC).isoformat().removesuffix(_UTC)
            self._time = f"{self._to_second}.{_MILLISECONDS[now % 1000]}{_UTC}"
        return self._time

    def _flush(self) -> None:
        self._timer = None
        if self._writing is not None and not self._writing.done():
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush)
            return
        batch, self._pending = self._pending, []
        dropped, self._dropped = self._dropped, 0
        self._writing = self._loop.run_in_executor(None, self._write, batch, dropped)

    def _write(self, lines: list[bytes], dropped: int) -> None:
        if dropped:
            lines.append(_encode({"event": "access_log_dropped", "lines": dropped}))
        self._stream.write(b"\n".join(lines) + b"\n")
        self._stream.flush()

    async def close(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await self._writing
        if self._pending or self._dropped:
            self._flush()
            assert self._writing is not None
            await self._writing


def record(exchange: Exchange, when: str) -> RequestLine:
    """What is logged of an exchange that ended ``when``."""
    model, caller, first_byte = exchange.model, exchange.caller, exchange.first_byte
    problem, trace = exchange.problem, exchange.trace
    return RequestLine(
        time=when,
        event="request",
        request_id=exchange.request_id,
        route=exchange.route.name,
        status=exchange.status,
        model=model.key if model is not None else None,
        served_name=exchange.model_name if model is not None else None,
        key=caller.name if caller is not None else None,
        peer=exchange.peer,
        stream=exchange.stream,
        endpoint=exchange.endpoint or None,
        attempts=exchange.attempts,
        duration_us=int((exchange.ended - exchange.started) * 1e6),
        first_byte_us=None if first_byte is None else int((first_byte - exchange.started) * 1e6),
        held_us=int(exchange.held_seconds * 1e6),
        bytes_out=exchange.bytes_out,
        prompt_tokens=exchange.prompt_tokens,
        completion_tokens=exchange.completion_tokens,
        error=problem.code.code if problem is not None else UNSET,
        aborted_by=exchange.aborted or UNSET,
        trace_id=f"{trace.trace_id:032x}" if trace is not None else UNSET,
    )


def pretty(exchange: Exchange, when: str) -> str:
    """The same for people, in short."""
    model, caller = exchange.model, exchange.caller
    words = [
        when[11:23],
        str(exchange.status),
        exchange.route.name,
        exchange.model_name if model is not None else "-",
        f"{(exchange.ended - exchange.started) * 1000:.1f} ms",
        f"{exchange.prompt_tokens}+{exchange.completion_tokens} tokens",
        f"key={caller.name if caller is not None else '-'}",
        f"from={exchange.peer}",
        exchange.request_id,
    ]
    if exchange.stream:
        words.append("stream")
    if exchange.held_seconds:
        words.append(f"held={exchange.held_seconds:.1f}s")
    if exchange.attempts > 1:
        words.append(f"attempts={exchange.attempts}")
    if exchange.problem is not None:
        words.append(f"error={exchange.problem.code.code}")
    if exchange.aborted:
        words.append(f"aborted_by={exchange.aborted}")
    return "  ".join(words)
