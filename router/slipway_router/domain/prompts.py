"""How long the text of a request is. Looked at only in bodies that are long enough to break their model's limits."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import orjson

from slipway_crds.engines import Operation
from slipway_router.domain.bodies import too_large
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Body, Exchange
from slipway_router.domain.request_policy import BYTES_PER_TOKEN, RequestPolicy

_NOTHING: Final = msgspec.Raw()
_INLINE: Final = "data:"
_COMMA: Final = 0x2C
_NO: Final = (b"", b"null", b"false")
_BEGINNING: Final = 64


class _Part(msgspec.Struct):
    """A message or a part of one: its text. Pictures and sounds are passed over without a copy."""

    text: str | None = None
    content: "str | list[_Part] | None" = None
    output: "str | list[_Part] | None" = None
    tool_calls: msgspec.Raw = _NOTHING


class _Talk(msgspec.Struct):
    messages: tuple[_Part, ...] = ()
    system: str | tuple[_Part, ...] | None = None
    input: str | tuple[_Part, ...] | None = None
    instructions: str | None = None


class _Texts(msgspec.Struct):
    """Each of the texts is a prompt of its own."""

    prompt: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    inputs: msgspec.Raw = _NOTHING
    query: msgspec.Raw = _NOTHING
    documents: msgspec.Raw = _NOTHING
    texts: msgspec.Raw = _NOTHING
    truncate: msgspec.Raw = _NOTHING
    truncate_prompt_tokens: msgspec.Raw = _NOTHING


_decode_talk: Final = msgspec.json.Decoder(_Talk).decode
_decode_texts: Final = msgspec.json.Decoder(_Texts).decode


def check_size(exchange: Exchange, policy: RequestPolicy) -> None:
    """Refuse a body that is larger than the model takes, or has a longer text in it.

    Raises:
        RequestError: 413; 400, the text is too long.
    """
    body, limit = exchange.body, policy.max_body_bytes
    if limit is not None and len(body) > limit:
        raise RequestError(too_large(limit))
    measure = _MEASURES.get(exchange.route.operation)
    if measure is None or exchange.model_at is not None:
        return
    try:
        field, tokens = measure(body)
    except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeError, RecursionError):
        return  # Nothing that the engine could read either.
    if tokens > policy.max_prompt_tokens:
        raise fail(
            ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            f"The text in '{field}' is about {tokens} tokens long, at {BYTES_PER_TOKEN} bytes a token; "
            f"the model '{exchange.model_name}' takes {policy.max_prompt_tokens}. Shorten it.",
            param=field,
        )


def _conversation(field: str) -> Callable[[Body], tuple[str, int]]:
    def measure(body: Body) -> tuple[str, int]:
        try:
            size = _talk_size(_decode_talk(body))
        except msgspec.ValidationError:
            size = sum(map(_size, _strings(orjson.loads(body))))
        return field, _tokens(size)

    return measure


def _talk_size(talk: _Talk) -> int:
    size = _size(talk.instructions or "")
    parts = list(talk.messages)
    for several in (talk.system, talk.input):
        if isinstance(several, str):
            size += _size(several)
        else:
            parts += several or ()
    while parts:
        part = parts.pop()
        size += _size(part.text or "") + memoryview(part.tool_calls).nbytes
        for more in (part.content, part.output):
            if isinstance(more, str):
                size += _size(more)
            else:
                parts += more or ()
    return size


def _longest_text(body: Body) -> tuple[str, int]:
    texts = _decode_texts(body)
    if any(bytes(raw) not in _NO for raw in (texts.truncate, texts.truncate_prompt_tokens)):
        return "", 0
    fields = ("prompt", "input", "inputs", "query", "documents", "texts")
    return max(((name, _longest_in(getattr(texts, name))) for name in fields), key=lambda found: found[1])


def _longest_in(raw: msgspec.Raw) -> int:
    """Tokens of the longest text in a text, a list of texts, a list of tokens, or lists of these."""
    plain = b"".join(bytes(memoryview(raw)[:_BEGINNING]).split())
    if not plain:
        return 0
    if plain[:1] == b"[" and plain[1:2].isdigit():
        return bytes(raw).count(_COMMA) + 1
    if plain[:2] == b"[[" and plain[2:3].isdigit():
        return max(part.partition(b"]")[0].count(_COMMA) + 1 for part in bytes(raw).split(b"["))
    return _tokens(max(map(_size, _strings(orjson.loads(memoryview(raw)))), default=0))


def _strings(value: Any) -> Iterator[str]:
    """Every text anywhere in a JSON value, but data URLs."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, str):
            if not value.startswith(_INLINE):
                yield value
        elif isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            values += value.values()


def _size(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


_MEASURES: Final[Mapping[Operation, Callable[[Body], tuple[str, int]]]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: _conversation("messages"),
        Operation.MESSAGES: _conversation("messages"),
        Operation.RESPONSES: _conversation("input"),
        **dict.fromkeys(
            (
                Operation.COMPLETIONS,
                Operation.EMBEDDINGS,
                Operation.RERANK,
                Operation.CLASSIFY,
                Operation.POOLING,
                Operation.TEI_EMBED,
                Operation.TEI_EMBED_ALL,
                Operation.TEI_EMBED_SPARSE,
                Operation.TEI_RERANK,
                Operation.TEI_PREDICT,
                Operation.TEI_SIMILARITY,
            ),
            _longest_text,
        ),
    }
)
"""How long the text of a request is: the field that it stands in, and its tokens."""
