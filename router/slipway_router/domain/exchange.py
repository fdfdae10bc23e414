"""One request on its way through the pipeline: what is known of it so far."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slipway_router.domain.api.routes import Route
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import Problem
from slipway_router.domain.limits.verdict import Reservation
from slipway_router.domain.metering.usage import Usage
from slipway_router.domain.models.catalogue import Model
from slipway_router.domain.requests.calls import Call
from slipway_router.domain.tracing import Trace

Body = bytes | bytearray
"""A request's body; nobody changes it once it is complete."""
Span = tuple[int, int]
"""A part of a body: from its first byte to the one behind its last."""
Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in their order, names in lower case."""
Fields = Mapping[bytes, bytes]
"""Header fields by name, in lower case; of a name that came twice, the last."""


class Filter(Protocol):
    """Changes an answer as it passes. Called on the hot path."""

    def feed(self, pieces: list[bytes], last: bool) -> list[bytes]:
        """What goes out in place of ``pieces``; with ``last``, everything that was held back, too."""
        ...


class Recorder(Protocol):
    """Sees an answer as the caller gets it. Called on the hot path."""

    def begin(self, status: int, headers: Headers) -> None:
        """The answer has begun."""
        ...

    def write(self, pieces: Sequence[bytes], last: bool) -> None:
        """Pieces of its body. An answer that is broken off has no last one."""
        ...


class Meter(Protocol):
    """Counts the tokens of an answer as the engine sends it. Called on the hot path."""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the body."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The count so far, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that needs no engine."""

    status: int
    headers: Headers
    pieces: tuple[bytes, ...]


class Exchange:
    """A request and what the steps have found out. Steps fill it in; times are in seconds of a monotonic clock.

    No dataclass: their constructors stay Python where the rest is compiled, and set every field one by one.
    """

    caller: Caller | None = None
    credential: str = ""
    """SHA-256 of the key that was presented, in hexadecimal; empty for callers without one of ours."""
    model_name: str = ""
    """The name asked for."""
    model_at: Span | None = None
    """Where the name stands in a body that is a form."""
    stream: bool = False
    call: Call | None = None
    """What was read of a JSON body."""
    max_tokens: int = 0
    """Most tokens that each answer may have; 0 if the operation generates none, or nobody bounds them."""
    model: Model | None = None
    reservation: Reservation | None
    """What the request holds of its caller's limits."""
    edits: dict[str, bytes]
    """Fields of the JSON body that the engine gets with other values than the caller sent: name and JSON."""
    edits_absent: bool = False
    """Whether the caller sent none of the fields in ``edits``."""
    reply_headers: list[tuple[bytes, bytes]]
    """Header fields of the answer that steps add."""
    reply_lines: bytes = b""
    """More of them, as lines with their CRLF: written in one go, they cost a third."""
    meter: Meter | None
    """Counts the answer's tokens; None for one that tells them in one piece."""
    filter: Filter | None
    """Changes the answer on its way to the caller."""
    recorder: Recorder | None
    """Sees the answer as it goes to the caller."""
    stored: StoredAnswer | None = None
    """The answer, if no engine is to be asked."""
    provider_key: str = ""
    """For an external model: the key that its provider wants."""
    endpoint: str = ""
    """``host:port`` of the replica."""
    attempts: int = 0
    trace: Trace | None = None
    """Its place in a trace; None unless traces are on."""

    status: int = 0
    """Status of the answer; 499 if the caller left before one."""
    problem: Problem | None = None
    held_seconds: float = 0.0
    """Time spent waiting for the model to wake."""
    first_byte: float | None = None
    ended: float = 0.0
    bytes_out: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt's tokens, those that the engine had computed before, if it says so."""
    aborted: str = ""
    """Who broke off an answer that had begun: ``client``, ``engine``, or ``key``, if that is not accepted any more."""

    def __init__(
        self, route: Route, headers: Fields, peer: str, request_id: str, started: float, body: Body = b""
    ) -> None:
        self.route = route
        self.headers = headers
        self.peer = peer
        self.request_id = request_id
        self.started = started
        self.body = body
        self.edits = {}
        self.reply_headers = []
        self.reservation = None
        self.meter = None
        self.filter = None
        self.recorder = None


Step = Callable[[Exchange], Awaitable[None] | None]
"""A part of the pipeline: reads and fills an exchange, or raises `RequestError`. One that must wait for something else
than the caller returns an awaitable; as long as it does not, no task is made for the request."""
Ending = Callable[[Exchange], None]
"""Told of an exchange that is over. Must not raise and must not wait."""
