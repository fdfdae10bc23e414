"""Counts the tokens of a stream while it runs, so that the count of one that breaks off is known."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from slipway_crds.engines import Operation, StreamUsage
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.metering.usage import TIMINGS_MARK, Usage, UsageFinder

_PIECES_OF_TEXT: Final[Mapping[Operation, re.Pattern[bytes]]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: re.compile(
            rb'"(?:content|reasoning_content|reasoning|refusal|arguments)"\s*+:\s*+"[^"]'
        ),
        Operation.COMPLETIONS: re.compile(rb'"text"\s*+:\s*+"[^"]'),
        Operation.MESSAGES: re.compile(rb'"type"\s*+:\s*+"content_block_delta"'),
        Operation.RESPONSES: re.compile(rb'"type"\s*+:\s*+"response\.[a-z_]++\.delta"'),
    }
)
"""What stands once in each event that brings a piece of the answer. Engines send about one token in each."""
_LONGEST_MATCH: Final = 64


class Slot(Protocol):
    """Where the count of a running stream is kept, so that it outlives this process."""

    def note(self, counted: bytes) -> None:
        """Keep the latest count, in the engine's words. Called on the hot path."""
        ...


class Running(Protocol):
    """Has a slot for every running stream."""

    def open(self, exchange: Exchange) -> Slot | None:
        """A slot for a stream that begins; None if there is none left, or none is needed."""
        ...


class StreamMeter:
    """The count of one stream."""

    __slots__ = ("_events", "_finder", "_noted", "_prompt", "_said", "_text", "_text_carry", "_timings", "slot")

    def __init__(self, operation: Operation, style: StreamUsage, slot: Slot | None) -> None:
        messages = operation is Operation.MESSAGES
        asked = operation in (Operation.CHAT_COMPLETIONS, Operation.COMPLETIONS)
        self._finder = UsageFinder(also_first=messages)
        self._timings = UsageFinder(mark=TIMINGS_MARK) if asked and style is StreamUsage.TIMINGS else None
        self._text = None if asked and style is not StreamUsage.FINAL else _PIECES_OF_TEXT.get(operation)
        self._text_carry = b""
        self._events = 0
        self._noted = b""
        self._prompt = 0
        self._said = 0
        self.slot = slot

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the answer."""
        finder = self._finder
        finder.feed(piece)
        found = finder.found
        if self._text is not None:
            self._count_events(self._text, piece)
            return
        if self._timings is not None:
            self._timings.feed(piece)
            found = found or self._timings.found
        if found is not self._noted and self.slot is not None:
            self._noted = found
            self.slot.note(found)

    def _count_events(self, text: re.Pattern[bytes], piece: bytes) -> None:
        data = self._text_carry + piece if self._text_carry else piece
        end = 0
        for match in text.finditer(data):
            self._events += 1
            end = match.end()
        self._text_carry = data[max(end, len(data) - _LONGEST_MATCH) :]
        if self.slot is None:
            return
        found = self._finder.found
        if found is not self._noted:
            self._noted = found
            usage = self.usage
            self._prompt = usage.prompt_tokens if usage is not None else 0
            self._said = usage.completion_tokens if usage is not None else 0
        counts = (self._prompt, max(self._said, self._events))
        self.slot.note(b'"usage":{"prompt_tokens":%d,"completion_tokens":%d}' % counts)

    @property
    def usage(self) -> Usage | None:
        """The engine's latest word; as long as it has said nothing, one token for each piece of the answer's text."""
        usage = self._finder.usage
        if self._timings is not None:
            return usage or self._timings.usage
        if self._text is None or (usage is not None and (self._finder.found_two or not self._first_only)):
            return usage
        if usage is None:
            return Usage(0, self._events) if self._events else None
        return Usage(usage.prompt_tokens, max(usage.completion_tokens, self._events), usage.cached_tokens)

    @property
    def _first_only(self) -> bool:
        """Whether the first word of the engine says nothing of the answer's length."""
        return self._text is _PIECES_OF_TEXT[Operation.MESSAGES]
