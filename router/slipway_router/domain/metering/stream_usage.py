"""Usage in streams of chat and text completions: engines are asked for it, callers who did not ask do not see it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from slipway_crds.engines import ENGINES, Operation, StreamUsage
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.metering.stream_meter import Running, StreamMeter
from slipway_router.domain.metering.usage import TIMINGS_MARK, USAGE_MARK
from slipway_router.domain.requests.calls import Completions

MAX_EVENT: Final = 65536
"""Bytes of an event; longer ones pass unchanged."""
_ASKED: Final = frozenset({Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS})
_STYLES: Final[Mapping[str, StreamUsage]] = {engine: facts.stream_usage for engine, facts in ENGINES.items()}
_OPTIONS: Final = "stream_options"
_CONTINUOUS: Final = "continuous_usage_stats"
_TIMINGS: Final = "timings_per_token"
_TIMINGS_NAME: Final = b'"timings_per_token"'

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT: Final = rb'\{(?:[^{}"]++|' + _STRING + rb")*+\}"
_OBJECT: Final = rb'\{(?:[^{}"]++|' + _STRING + rb"|" + _FLAT + rb")*+\}"
_SOME_CHOICES: Final = b'"choices":[{'
"""As most engines write it: a look that costs less than the pattern for its opposite."""
_NO_CHOICES: Final = re.compile(rb'"choices"\s*+:\s*+\[\s*+\]')
_USAGE_OBJECT: Final = re.compile(rb'"usage"\s*+:\s*+\{')
_VALUE: Final = re.compile(rb"\s*+:\s*+(?:null|" + _OBJECT + rb")")
_COMMA: Final = ord(",")
_MOST_SPACE: Final = 64
"""Bytes of white space that may stand before a member."""
_COMMA_BEFORE: Final = re.compile(rb",\s*+\Z")
_COMMA_AFTER: Final = re.compile(rb"\s*+,\s*+")


_PLAIN: Final[Mapping[StreamUsage, Mapping[str, bytes]]] = MappingProxyType(
    {
        StreamUsage.FINAL: {_OPTIONS: b'{"include_usage":true}'},
        StreamUsage.CONTINUOUS: {_OPTIONS: b'{"include_usage":true,"continuous_usage_stats":true}'},
        StreamUsage.TIMINGS: {_OPTIONS: b'{"include_usage":true}', _TIMINGS: b"true"},
    }
)
"""What engines are told on behalf of callers who sent no options of their own."""


class MeterStreams:
    """Step: has every stream counted as it goes, and engines tell their counts."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def __call__(self, exchange: Exchange) -> None:
        """Set ``exchange.meter`` and, where callers would see more than they asked for, ``exchange.filter``."""
        model = exchange.model
        if not exchange.stream or model is None or exchange.stored is not None:
            return
        style = _STYLES.get(model.engine, StreamUsage.FINAL)
        operation = exchange.route.operation
        exchange.meter = StreamMeter(operation, style, self._running.open(exchange))
        if operation in _ASKED:
            _ask(exchange, style)


def _ask(exchange: Exchange, style: StreamUsage) -> None:
    call = exchange.call
    options = call.stream_options if isinstance(call, Completions) else None
    own_timings = style is StreamUsage.TIMINGS and _TIMINGS_NAME in exchange.body
    none_before = exchange.edits_absent or not exchange.edits
    if options is msgspec.UNSET and not own_timings:
        exchange.edits.update(_PLAIN[style])
        exchange.edits_absent = none_before
        wanted, each_chunk = False, False
    else:
        given: dict[str, Any] = options if isinstance(options, dict) else {}
        if not all(given.get(name) in (True, False, None) for name in ("include_usage", _CONTINUOUS)):
            return  # The engine says what is wrong with it.
        wanted = given.get("include_usage") is True
        each_chunk = wanted and given.get(_CONTINUOUS) is True
        asked = {**given, "include_usage": True, **({_CONTINUOUS: True} if style is StreamUsage.CONTINUOUS else {})}
        exchange.edits[_OPTIONS] = msgspec.json.encode(asked)
        if style is StreamUsage.TIMINGS and not own_timings:
            exchange.edits[_TIMINGS] = b"true"
        exchange.edits_absent = False
    marks = _hidden(style, wanted=wanted, each_chunk=each_chunk, own_timings=own_timings)
    if marks:
        exchange.filter = UsageHider(marks, drop_last=not wanted)


def _hidden(style: StreamUsage, *, wanted: bool, each_chunk: bool, own_timings: bool) -> tuple[bytes, ...]:
    """Members of chunks that the caller did not ask for; who sends ``timings_per_token`` has said yes or no to them."""
    usage = not wanted or (style is StreamUsage.CONTINUOUS and not each_chunk)
    timings = style is StreamUsage.TIMINGS and not own_timings
    return (*((USAGE_MARK,) if usage else ()), *((TIMINGS_MARK,) if timings else ()))


class UsageHider:
    """Takes members out of the chunks of a stream, and the chunk that has nothing but usage.

    Whether a stream comes byte by byte or at once, the same goes out. Marks cannot stand inside JSON strings, since
    quotes are escaped there, so nothing that a model says is ever touched.
    """

    __slots__ = ("_carry", "_drop_last", "_in_long", "_marks", "_usage_only")

    def __init__(self, marks: tuple[bytes, ...], *, drop_last: bool) -> None:
        self._marks = marks
        self._usage_only = marks == (USAGE_MARK,)
        self._drop_last = drop_last
        self._carry = b""
        self._in_long = False
        """Whether the begin of an event that is too long has been let through."""

    def feed(self, pieces: list[bytes], last: bool) -> list[bytes]:
        """What goes out: whole events only, until the last piece."""
        carry = self._carry
        data = pieces[0] if len(pieces) == 1 and not carry else b"".join((carry, *pieces))
        if self._usage_only and not self._in_long:
            short = _usual(data)
            if short is not None:
                self._carry = b""
                return [short]
        if data.endswith(b"\n\n"):
            whole, rest = data, b""
        else:
            end = max(_after(data.rfind(b"\n\n"), 2), _after(data.rfind(b"\n\r\n"), 3))
            whole, rest = data[:end], data[end:]
        self._carry = rest
        for mark in self._marks:
            if whole.find(mark) >= 0:  # Not `in`, which first tries whether it is asked for a number.
                whole = self._without(whole)
                break
        else:
            if whole:
                self._in_long = False
        if rest and (last or self._in_long or len(rest) > MAX_EVENT):
            self._in_long = True
            size = len(rest) if last else _without_half_an_end(rest)
            self._carry = rest[size:]
            whole += rest[:size]
        return [whole] if whole else []

    def _without(self, events: bytes) -> bytes:
        kept, start = [], 0
        while start < len(events):
            ends = (_after(events.find(b"\n\n", start), 2), _after(events.find(b"\n\r\n", start), 3))
            end = min(filter(None, ends))
            event = events[start:end]
            start = end
            if not self._in_long and len(event) <= MAX_EVENT:
                event = self._shorter(event)
            self._in_long = False
            kept.append(event)
        return b"".join(kept)

    def _shorter(self, event: bytes) -> bytes:
        if _SOME_CHOICES not in event and _NO_CHOICES.search(event) and _USAGE_OBJECT.search(event):
            return b"" if self._drop_last else event
        for mark in self._marks:
            at = event.find(mark)
            while at >= 0:
                value = _VALUE.match(event, at + len(mark))
                if value is None:  # A text that is nothing but this word.
                    at = event.find(mark, at + 1)
                else:
                    event = _without_member(event, at, value.end())
                    at = event.find(mark, at - 1)
        return event


def _usual(event: bytes) -> bytes | None:
    """What nearly every chunk is cut to: whole events without usage, or a single one whose last member is flat usage.

    None if it is not like that. There is one object behind the mark and it ends where the event does; so there is no
    other way to read it.
    """
    at = event.find(USAGE_MARK)
    if at < 0:
        return event if event.endswith(b"\n\n") else None
    if event[at - 1] != _COMMA:
        return None
    tail = event[at + len(USAGE_MARK) :]
    if not (tail.startswith(b":{") and tail.endswith(b"}}\n\n") and tail.count(b"{") == 1 and tail.count(b"}") == 2):
        return None
    size = len(event)
    if event.find(b"\n\n") + 2 != size or size > MAX_EVENT or b"\r" in event or _SOME_CHOICES not in event:
        return None
    return event[: at - 1] + b"}\n\n"


def _without_member(event: bytes, start: int, end: int) -> bytes:
    """An event without a member of an object, and without one of the commas around it."""
    if event[start - 1] == _COMMA:
        return event[: start - 1] + event[end:]
    before = _COMMA_BEFORE.search(event, max(0, start - _MOST_SPACE), start)
    if before is not None:
        return event[: before.start()] + event[end:]
    after = _COMMA_AFTER.match(event, end)
    return event[:start] + event[after.end() if after is not None else end :]


def _without_half_an_end(rest: bytes) -> int:
    """Bytes of ``rest`` before what may be the first part of an event's end."""
    return len(rest) - (2 if rest.endswith(b"\n\r") else 1 if rest.endswith(b"\n") else 0)


def _after(at: int, length: int) -> int:
    """Where something of ``length`` ends that was found ``at``; 0 if it was not found."""
    return at + length if at >= 0 else 0
