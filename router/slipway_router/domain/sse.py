"""Server-sent events, as OpenAI's streams use them."""

from typing import Final

CONTENT_TYPE: Final = b"text/event-stream; charset=utf-8"
DONE: Final = b"data: [DONE]\n\n"


def comment(text: str) -> bytes:
    """A line that clients ignore; it keeps the connection alive and tells people who look."""
    return b": %b\n\n" % text.replace("\n", " ").encode()


def event(data: bytes, name: bytes = b"") -> bytes:
    """One event; ``data`` is JSON, on however many lines."""
    lines = [b"data: %b\n" % line for line in data.splitlines()]
    return b"".join([b"event: %b\n" % name if name else b"", *lines, b"\n"])
