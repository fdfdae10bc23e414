"""A line of the access log."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class RequestLine(Struct, gc=False):
    """One request, its fields in the order in which they are written. Spans of time are in microseconds."""

    time: str
    """When it ended (ISO 8601)."""
    event: Literal["request"]
    request_id: str
    route: str
    status: int
    model: str | None
    """Namespace and name of the ModelDeployment; None if there is none that was asked for."""
    served_name: str | None
    key: str | None
    peer: str
    stream: bool
    endpoint: str | None
    attempts: int
    duration_us: int
    first_byte_us: int | None
    held_us: int
    """How long it waited for its model to wake."""
    bytes_out: int
    prompt_tokens: int
    completion_tokens: int
    error: str | UnsetType = UNSET
    aborted_by: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
