"""One request on its way through the pipeline: what is known of it so far."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from slipway_router.domain.catalogue import Model
from slipway_router.domain.errors import Problem
from slipway_router.domain.keys import Caller
from slipway_router.domain.routes import Route

Body = bytes | bytearray
"""A request's body; nobody changes it once it is complete."""
Span = tuple[int, int]
"""A part of a body: from its first byte to the one behind its last."""
Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in their order, names in lower case."""
Fields = Mapping[bytes, bytes]
"""Header fields by name, in lower case; of a name that came twice, the last."""


@dataclass(slots=True)
class Exchange:
    """A request and what the steps have found out. Steps fill it in; times are in seconds of a monotonic clock."""

    route: Route
    headers: Fields
    peer: str
    request_id: str
    started: float
    body: Body = b""

    caller: Caller | None = None
    model_name: str = ""
    """The name asked for."""
    model_at: Span | None = None
    """Where the name stands in a body that is a form."""
    stream: bool = False
    model: Model | None = None
    provider_key: str = ""
    """For an external model: the key that its provider wants."""
    endpoint: str = ""
    """``host:port`` of the replica."""
    attempts: int = 0

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
    aborted: str = ""
    """Why an answer that had begun did not end well: ``client`` or ``engine``."""


Step = Callable[[Exchange], None]
"""A part of the pipeline: reads and fills an exchange, or raises `RequestError`."""
