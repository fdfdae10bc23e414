"""Why an answer's texts ended, as the engine says it in the answer."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from slipway_crds.engines import Operation
from slipway_router.domain.exchange import Meter
from slipway_router.domain.metering.usage import Usage

_OPENAI: Final = re.compile(rb'"finish_reason"\s*+:\s*+"([a-z_]{1,32})"')
# Arguments of tools are objects there, in which a model may say anything: so only the words that the API has.
_ANTHROPIC: Final = re.compile(
    rb'"stop_reason"\s*+:\s*+"(end_turn|max_tokens|stop_sequence|tool_use|pause_turn|refusal'
    rb'|model_context_window_exceeded)"'
)
_PATTERNS: Final[Mapping[Operation, re.Pattern[bytes]]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: _OPENAI,
        Operation.COMPLETIONS: _OPENAI,
        Operation.MESSAGES: _ANTHROPIC,
    }
)
_LONGEST_MATCH: Final = 64
_MOST: Final = 128
"""As many as texts can be asked for at once."""


def tells_reasons(operation: Operation) -> bool:
    """Whether answers of an operation say why they ended, where `FinishReasons` finds it."""
    return operation in _PATTERNS


class FinishReasons:
    """A `Meter` that counts as ``meter`` does, and notes besides why the texts of the answer ended."""

    def __init__(self, meter: Meter, operation: Operation) -> None:
        self.meter = meter
        self.reasons: list[str] = []
        """One for each text, in the order in which they ended."""
        self._pattern = _PATTERNS[operation]
        self._carry = b""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the body."""
        self.meter.feed(piece)
        data = self._carry + piece
        end = 0
        for match in self._pattern.finditer(data):
            end = match.end()
            if len(self.reasons) < _MOST:
                self.reasons.append(match[1].decode())
        self._carry = data[max(end, len(data) - _LONGEST_MATCH) :]

    @property
    def usage(self) -> Usage | None:
        """The count so far, if there is one."""
        return self.meter.usage
