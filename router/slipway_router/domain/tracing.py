"""W3C Trace Context: whose trace a request belongs to, and which span its engine continues.

Source of the formats: https://www.w3.org/TR/trace-context/
"""

import re
from dataclasses import dataclass
from random import Random
from typing import Final

_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_MEMBER: Final = rb"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_STATE: Final = re.compile(_MEMBER + rb"(?:[ \t]*,[ \t]*" + _MEMBER + rb"){0,31}")
_LONGEST_STATE: Final = 512
_SAMPLED: Final = 1
_RATIO_BITS: Final = 64
"""Bits at the end of a trace's identity that decide whether it is kept, as in OpenTelemetry's own samplers: so all
programs of a trace decide alike."""


@dataclass(frozen=True, slots=True)
class TraceParent:
    """What a caller says of its trace."""

    trace_id: int
    span_id: int
    sampled: bool
    state: bytes = b""
    """Vendors' notes, as they came; empty if there are none or they are not valid."""


@dataclass(slots=True)
class Trace:
    """One request's place in a trace."""

    trace_id: int
    parent_id: int
    """The caller's span; 0 if it named none."""
    server_id: int
    """The span of the request."""
    client_id: int
    """The span of the engine's work for it, which the engine's own span continues."""
    sampled: bool
    state: bytes
    sent: float | None = None
    """When the request was ready for an engine; None if it never was. Seconds of a monotonic clock."""

    @property
    def traceparent(self) -> bytes:
        """The header field that engines get."""
        return b"00-%032x-%016x-%02x" % (self.trace_id, self.client_id, self.sampled)


def read_parent(traceparent: bytes, tracestate: bytes = b"") -> TraceParent | None:
    """The caller's trace; None if ``traceparent`` is not valid, and then its ``tracestate`` counts for nothing."""
    found = _PARENT.fullmatch(traceparent)
    if found is None:
        return None
    version, trace, span, flags, further = found.groups()
    trace_id, span_id = int(trace, 16), int(span, 16)
    if version == b"ff" or (version == b"00" and further is not None) or not trace_id or not span_id:
        return None
    valid = tracestate and len(tracestate) <= _LONGEST_STATE and _STATE.fullmatch(tracestate)
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), tracestate if valid else b"")


class TraceStarter:
    """Gives requests their place: in the caller's trace, else in a new one."""

    def __init__(self, sample_ratio: float, random: Random) -> None:
        self._bound = round(sample_ratio * 2**_RATIO_BITS)
        self._bits = random.getrandbits

    def __call__(self, parent: TraceParent | None) -> Trace:
        """A trace is kept if its caller keeps it; of new ones, ``sample_ratio`` of all."""
        if parent is not None:
            return Trace(parent.trace_id, parent.span_id, self._id(64), self._id(64), parent.sampled, parent.state)
        trace_id = self._id(128)
        sampled = trace_id & (2**_RATIO_BITS - 1) < self._bound
        return Trace(trace_id, 0, self._id(64), self._id(64), sampled, b"")

    def _id(self, bits: int) -> int:
        """Zero is no identity."""
        return self._bits(bits) or 1
