"""Server-sent events of engines, read as they arrive."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

MAX_EVENT: Final = 4 * 1024 * 1024
"""Bytes of one event."""
_DONE: Final = b"[DONE]"


class EventTooLargeError(Exception):
    """An engine sent an event of more than `MAX_EVENT` bytes."""


class EventReader:
    """Cuts a stream into events and comments."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that are complete now: the data of each, or its comment with the colon.

        Raises:
            EventTooLargeError: an event has no end.
        """
        *blocks, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        if len(self._rest) > MAX_EVENT:
            raise EventTooLargeError
        return [content for block in blocks if (content := _content(block))]


def _content(block: bytes) -> bytes:
    lines = block.split(b"\n")
    data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
    return data or next((line for line in lines if line.startswith(b":")), b"")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one event of a streamed chat or completion says."""

    text: str = ""
    model: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    """The error object, without its envelope."""
    progress: str = ""
    """What a model that wakes does now."""


_NOTHING: Final = Chunk()


def chunk_of(content: bytes) -> Chunk:
    """The meaning of an event's data, or of a comment. What cannot be read means nothing."""
    if content.startswith(b":"):
        return Chunk(progress=content[1:].decode(errors="replace").strip())
    if content == _DONE:
        return _NOTHING
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        return _NOTHING
    return answer_of(parsed, "delta")


def answer_of(parsed: Any, inner: str) -> Chunk:
    """The meaning of an OpenAI object whose choices have their text in ``inner`` (chats) or by themselves.

    Of several texts that were asked for at once, it is that of the first.
    """
    if not isinstance(parsed, dict):
        return _NOTHING
    if isinstance(parsed.get("error"), dict):
        return Chunk(error=parsed["error"])
    choices = parsed.get("choices")
    every = choices if isinstance(choices, list) else []
    choice = next((each for each in every if isinstance(each, dict) and not each.get("index")), {})
    held = choice.get(inner)
    place = held if isinstance(held, dict) else choice
    text = place.get("content", place.get("text"))
    usage, finish, model = parsed.get("usage"), choice.get("finish_reason"), parsed.get("model")
    return Chunk(
        text if isinstance(text, str) else "",
        model if isinstance(model, str) else "",
        finish if isinstance(finish, str) else None,
        _usage(usage) if isinstance(usage, dict) else None,
    )


def _usage(usage: dict[str, Any]) -> dict[str, int]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: value if isinstance(value := usage.get(name), int) else 0 for name in names}
