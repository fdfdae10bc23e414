"""Step: no addresses of pictures, sounds and films that an engine inside the cluster would go and fetch.

An engine that fetches what a caller names reaches whatever the pod does: metadata services, other teams' Services.
So media come inside the request, as data URLs, unless their host is on the allow-list.
"""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import Final

import msgspec
import orjson

from slipway_crds.engines import Operation
from slipway_router.domain.errors import ErrorCode, fail
from slipway_router.domain.exchange import Body, Exchange

_KEYS: Final = frozenset({"image_url", "video_url", "audio_url", "file_url"})
_SIGN: Final = b'_url"'
"""Ends the name of every field that says where something is, except in messages as Anthropic has them."""
_OTHER_SIGNS: Final = Operation.MESSAGES
_ESCAPE: Final = b"\\u00"
"""Nobody has to escape ASCII letters; who does may be hiding the sign."""
_INLINE: Final = "data:"
_HTTP: Final = re.compile(r"https?://([a-z0-9.-]+)(:\d+)?([/?#][^\s\\]*)?", re.IGNORECASE)
"""What every reader of addresses understands alike; tricks with user names and backslashes are no match."""
_MESSAGES: Final = frozenset({Operation.CHAT_COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES})
_SHOWN: Final = 100
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


class CheckPictures:
    """Looks at the addresses in requests, where there are any."""

    def __init__(self, hosts: Iterable[str]) -> None:
        """``hosts`` are the allowed ones, as globs."""
        self._allowed = re.compile("|".join(translate(host.lower()) for host in hosts) or r"(?!)")

    def __call__(self, exchange: Exchange) -> None:
        """Let requests pass whose media lie in them or on allowed hosts. A provider elsewhere may fetch what it likes.

        Raises:
            RequestError: 400, an address is not allowed.
        """
        body = exchange.body
        # find, since bytes' `in` first tries whether it is asked for a number, which takes an exception.
        escapes = body.find(b"\\") >= 0 and body.find(_ESCAPE) >= 0
        if escapes or body.find(_SIGN) >= 0 or exchange.route.operation is _OTHER_SIGNS:
            self._look(exchange, body)

    def _look(self, exchange: Exchange, body: Body) -> None:
        model, operation = exchange.model, exchange.route.operation
        if exchange.model_at is not None or model is None or model.provider is not None:
            return
        for address in _in_messages(body) if operation in _MESSAGES else _in_anything(body):
            if not self._is_allowed(address):
                raise fail(
                    ErrorCode.INVALID_VALUE,
                    f"Engines may not fetch '{address[:_SHOWN]}'. Send it as a data URL (data:image/png;base64,...), "
                    "or ask whoever runs this router to add its host to SLIPWAY_IMAGE_URL_HOSTS.",
                )

    def _is_allowed(self, address: str) -> bool:
        if address[: len(_INLINE)].lower() == _INLINE:
            return True
        there = _HTTP.fullmatch(address)
        return there is not None and self._allowed.match(there[1].lower()) is not None


def _in_messages(body: Body) -> Iterator[str]:
    """The addresses in a call with messages. Data URLs, which can be large, are passed over without a copy."""
    try:
        call = _decode(body)
    except msgspec.ValidationError:
        yield from _in_anything(body)
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
    beginning = bytes(memoryview(raw)[: len(_INLINE) + 1])
    if beginning[:1] == b'"' and beginning[1:] != _INLINE.encode():
        yield msgspec.json.decode(raw, type=str)


def _in_anything(body: Body) -> Iterator[str]:
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
