"""The account of used tokens, as requests see it: what they used is written down before their callers see the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from slipway_router.adapters.ledger.journal import Journal, key_line
from slipway_router.adapters.ledger.slots import MappedSlot, SlotFile
from slipway_router.adapters.ledger.sqlite import Position
from slipway_router.domain.errors import FIRST_ERROR
from slipway_router.domain.exchange import Exchange
from slipway_router.domain.metering.counts import Counts
from slipway_router.domain.metering.ledger import Account, UsageKey
from slipway_router.domain.metering.stream_meter import Slot, StreamMeter

MAX_LINES: Final = 100_000
"""Lines of the account in memory; if there are more, all of them are looked up again."""
_DAY_SECONDS: Final = 86400.0
_Names = tuple[str, str, str, str, str]


@dataclass(slots=True)
class _Line:
    """One line of the account, and what it got since it was last taken."""

    key: UsageKey
    number: int
    journal: int = -1
    """The journal that knows what the line is."""
    counts: Counts = field(default_factory=Counts)


class Ledger:
    """Counts requests. Belongs to the event loop's thread, and never waits."""

    def __init__(self, journal: Journal | None, slots: SlotFile | None, wall_clock: Callable[[], float]) -> None:
        """Without a journal and slots, all is lost with the process."""
        self._journal = journal
        self._slots = slots
        self._now = wall_clock
        self._day = ""
        self._day_ends = 0.0
        self._lines: dict[_Names, _Line] = {}
        self._numbers = 0
        self._running: dict[int, _Line] = {}
        """Lines of streams that have a slot, by its serial number."""
        self._new: list[_Line] = []
        """Lines with counts that were not taken yet."""

    def open(self, exchange: Exchange) -> Slot | None:
        """A slot for a stream that begins."""
        if self._slots is None:
            return None
        line = self._line_of(exchange)
        slot = self._slots.take(line.number) if line is not None else None
        if slot is not None and line is not None:
            self._running[slot.serial] = line
        return slot

    def __call__(self, exchange: Exchange) -> None:
        """Ending: write down what a request used. Requests that nobody known sent, or for no model, are not counted."""
        line = self._line_of(exchange)
        if line is None:
            return
        counts = line.counts
        if not counts.requests:
            self._new.append(line)
        failed = 1 if exchange.status >= FIRST_ERROR else 0
        aborted = 1 if exchange.aborted else 0
        counts.requests += 1
        counts.errors += failed
        counts.aborted += aborted
        counts.prompt_tokens += exchange.prompt_tokens
        counts.completion_tokens += exchange.completion_tokens
        counts.cached_tokens += exchange.cached_tokens
        if self._journal is None:
            return
        meter = exchange.meter
        slot = meter.slot if type(meter) is StreamMeter else None
        mapped = slot if type(slot) is MappedSlot else None
        self._journal.append(
            b"%d %d %d %d %d %d %d\n"
            % (
                line.number,
                mapped.serial if mapped is not None else 0,
                failed,
                aborted,
                exchange.prompt_tokens,
                exchange.completion_tokens,
                exchange.cached_tokens,
            )
        )
        if mapped is not None:
            mapped.close()
            del self._running[mapped.serial]

    def _line_of(self, exchange: Exchange) -> _Line | None:
        caller, model = exchange.caller, exchange.model
        if caller is None or model is None:
            return None
        now = self._now()
        if now >= self._day_ends:
            self._begin_day(now)
        names = (caller.name, caller.owner, model.key, exchange.model_name, exchange.route.name)
        line = self._lines.get(names) or self._add_line(names)
        journal = self._journal
        if journal is not None and line.journal != journal.number:
            line.journal = journal.number
            journal.append(key_line(line.number, line.key))
        return line

    def _begin_day(self, now: float) -> None:
        self._day = datetime.fromtimestamp(now, UTC).date().isoformat()
        self._day_ends = (now // _DAY_SECONDS + 1) * _DAY_SECONDS
        self._lines.clear()

    def _add_line(self, names: _Names) -> _Line:
        if len(self._lines) >= MAX_LINES:
            self._lines.clear()
        self._numbers += 1
        line = self._lines[names] = _Line(UsageKey(self._day, *names), self._numbers)
        return line

    def take(self) -> tuple[Account, Position | None]:
        """What was counted since the last time, and up to where the journal has it."""
        account: Account = {}
        journal = self._journal
        if journal is not None:
            if journal.next_if_due():
                self._tell_running(journal)
            if journal.behind:
                return account, None  # Otherwise the rest of the journal would be counted again after a crash.
        for line in self._new:
            # Two lines can be of one key, after all lines were looked up again.
            account.setdefault(line.key, Counts()).add(line.counts)
            line.counts = Counts()
        self._new.clear()
        return account, Position(journal.number, journal.size) if journal is not None else None

    def _tell_running(self, journal: Journal) -> None:
        """Say in a new journal what the lines of running streams are: the old one may be gone when they end."""
        for line in self._running.values():
            if line.journal != journal.number:
                line.journal = journal.number
                journal.append(key_line(line.number, line.key))
