"""The addresses in requests of what engines would fetch."""

from collections.abc import Iterator
from typing import Final

import msgspec
import orjson

from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.exchange import Body

INLINE: Final = "data:"
"""Begins an address that holds what it is the address of."""
_KEYS: Final = frozenset({"image_url", "video_url", "audio_url", "file_url"})
_NOT_JSON: Final = "The body is not valid JSON: it is not UTF-8, or nested too deeply."
_NOTHING: Final = msgspec.Raw(b"null")


class _Link(msgspec.Struct):
    url: msgspec.Raw = _NOTHING


class _Part(msgspec.Struct):
    """A message or a part of one; of its fields those that can hold an address or further parts."""

    image_url: msgspec.Raw = _NOTHING
    video_url: msgspec.Raw = _NOTHING
    audio_url: msgspec.Raw = _NOTHING
    file_url: msgspec.Raw = _NOTHING
    source: _Link | None = None
    content: "str | list[_Part] | None" = None
    output: "str | list[_Part] | None" = None


class _Call(msgspec.Struct):
    messages: tuple[_Part, ...] = ()
    input: str | list[_Part] | None = None


_decode: Final = msgspec.json.Decoder(_Call).decode
_decode_link: Final = msgspec.json.Decoder(_Link).decode


def in_messages(body: Body) -> Iterator[str]:
    """The addresses in a call with messages. Data URLs, which can be large, are passed over without a copy."""
    try:
        call = _decode(body)
    except msgspec.ValidationError:
        yield from in_anything(body)
        return
    except (UnicodeDecodeError, RecursionError):
        raise fail(ErrorCode.INVALID_JSON, _NOT_JSON) from None
    parts = list(call.messages)
    if isinstance(call.input, list):
        parts += call.input
    while parts:
        part = parts.pop()
        for more in (part.content, part.output):
            if isinstance(more, list):
                parts += more
        for raw in (part.image_url, part.video_url, part.audio_url, part.file_url):
            yield from _of_field(raw)
        if part.source is not None:
            yield from _of_text(part.source.url)


def _of_field(raw: msgspec.Raw) -> Iterator[str]:
    """A link is either its address or an object with a field ``url``."""
    if bytes(memoryview(raw)[:1]) == b"{":
        yield from _of_text(_decode_link(raw).url)
    else:
        yield from _of_text(raw)


def _of_text(raw: msgspec.Raw) -> Iterator[str]:
    beginning = bytes(memoryview(raw)[: len(INLINE) + 1])
    if beginning[:1] == b'"' and beginning[1:] != INLINE.encode():
        yield msgspec.json.decode(raw, type=str)


def in_anything(body: Body) -> Iterator[str]:
    """The addresses anywhere in a JSON value."""
    try:
        values = [orjson.loads(body)]
    except orjson.JSONDecodeError:
        raise fail(ErrorCode.INVALID_JSON, _NOT_JSON) from None
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            values += value.values()
            links = [value[key] for key in _KEYS if key in value]
            sources = [*links, value.get("source")]
            links += [source["url"] for source in sources if isinstance(source, dict) and "url" in source]
            yield from (link for link in links if isinstance(link, str))
