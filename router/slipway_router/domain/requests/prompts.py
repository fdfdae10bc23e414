"""How long the text of a request is. Looked at only in bodies that are long enough to break their model's limits."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import orjson

from slipway_crds.engines import EngineType, Operation
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Body, Exchange
from slipway_router.domain.requests.bodies import too_large
from slipway_router.domain.requests.operations import READING
from slipway_router.domain.requests.policy import BYTES_PER_TOKEN, RequestPolicy

Measure = Callable[[Body, int], tuple[str, int]]
"""Says how long the text of a request is: the field that it stands in, and its tokens, which are told exactly only when
they are more than the number given."""
_NOTHING: Final = msgspec.Raw()
_INLINE: Final = "data:"
_MEDIA: Final = b'"data:'
_MOST_MEDIA: Final = 1000
_LINK: Final = (b'url":', b'url" :')
_NOT_JSON: Final = "The body is not valid JSON: a text in it is not Unicode, or it is nested too deeply."
_COMMA: Final = 0x2C
_NULL: Final = (b"", b"null")
_TRUE: Final = b"true"
_BEGINNING: Final = 64
_MOST_PARTS: Final = 100_000
"""Messages, texts or lists of tokens that are looked at one by one. More than that is too long, whatever is in them: to
measure them would hold up all other requests."""
_FEW_PARTS: Final = 3 * _MOST_PARTS
"""Bytes that do not hold more: a part has two, and a comma."""
_LONGER: Final = 16
"""So many times longer than a prompt may be a text that no model sees whole: tokenizers need a second and a hundred MiB
for each MiB of it, and hold up others meanwhile."""
_TOKENIZING: Final = frozenset({Operation.TOKENIZE, Operation.TEI_TOKENIZE})
_SHORTENS_IF_TRUE: Final = frozenset({EngineType.ONNX, EngineType.TEI})
"""Engines that know ``truncate``."""


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
    content: msgspec.Raw = _NOTHING
    messages: msgspec.Raw = _NOTHING
    truncate: msgspec.Raw = _NOTHING
    truncate_prompt_tokens: msgspec.Raw = _NOTHING


_TEXTS: Final = ("prompt", "input", "inputs", "query", "documents", "texts", "content")
_decode_talk: Final = msgspec.json.Decoder(_Talk).decode
_decode_texts: Final = msgspec.json.Decoder(_Texts).decode


def check_size(exchange: Exchange, policy: RequestPolicy) -> None:
    """Refuse a body that is larger than the model takes, or has a longer text in it.

    Raises:
        RequestError: 413; 400, the text is too long or cannot be read.
    """
    body, limit = exchange.body, policy.max_body_bytes
    if limit is not None and len(body) > limit:
        raise RequestError(too_large(limit))
    measure = _MEASURES.get(exchange.route.operation)
    if measure is None or exchange.model_at is not None:
        return
    most = policy.max_prompt_tokens
    try:
        field, tokens = measure(body, most)
        if tokens > most and _is_shortened(exchange, most):
            most *= _LONGER
    except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeError, RecursionError):
        raise fail(ErrorCode.INVALID_JSON, _NOT_JSON) from None
    if tokens > most:
        raise fail(
            ErrorCode.CONTEXT_LENGTH_EXCEEDED,
            f"The text in '{field}' is about {tokens} tokens long, at {BYTES_PER_TOKEN} bytes a token; "
            f"the model '{exchange.model_name}' takes {most}. Shorten it.",
            param=field,
        )


def _is_shortened(exchange: Exchange, limit: int) -> bool:
    """Whether at most ``limit`` tokens of a long text come to the model: its engine cuts it, or only counts them."""
    model, operation = exchange.model, exchange.route.operation
    if operation in _TOKENIZING:
        return True
    if model is None or _MEASURES[operation] is not _longest_text:
        return False
    texts = _decode_texts(exchange.body)
    if model.engine in _SHORTENS_IF_TRUE:
        return bytes(texts.truncate) == _TRUE
    if model.engine is not EngineType.VLLM or bytes(texts.truncate_prompt_tokens) in _NULL:
        return False
    kept = orjson.loads(bytes(texts.truncate_prompt_tokens))
    # -1 is as much as the model could take, which may be more than it shall.
    return isinstance(kept, int) and not isinstance(kept, bool) and 0 < kept <= limit


def _conversation(field: str) -> Measure:
    def measure(body: Body, limit: int) -> tuple[str, int]:
        if _tokens(_without_media(body)) <= limit:
            return field, 0
        if len(body) > _FEW_PARTS and body.count(b"{") > _MOST_PARTS:
            return field, _tokens(len(body))
        try:
            size = _talk_size(_decode_talk(body))
        except msgspec.ValidationError:
            size = sum(map(_size, _strings(orjson.loads(body))))
        return field, _tokens(size)

    return measure


def _without_media(body: Body) -> int:
    """Bytes of a body without the data URLs in it, for which it is not read: inside a text no quote stands alone."""
    size, at = len(body), -1
    for _ in range(_MOST_MEDIA):
        at = body.find(_MEDIA, at + 1)
        if at < 0:
            break
        end = body.find(b'"', at + 1)
        if end >= 0 and body[max(at - _BEGINNING, 0) : at].rstrip().endswith(_LINK):
            size -= end - at
            at = end
    return size


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


def _longest_text(body: Body, limit: int) -> tuple[str, int]:
    texts = _decode_texts(body)
    found = [(name, _longest_in(getattr(texts, name))) for name in _TEXTS]
    if bytes(texts.messages) not in _NULL:  # There are models that embed whole conversations.
        found.append(_conversation("messages")(b'{"messages":%b}' % texts.messages, limit))
    return max(found, key=lambda pair: pair[1])


def _longest_in(raw: msgspec.Raw) -> int:
    """Tokens of the longest text in a text, a list of texts, a list of tokens, or lists of these."""
    json = bytes(raw)
    if not json:
        return 0
    if len(json) > _FEW_PARTS and json.count(b"[") + json.count(b'"') // 2 > _MOST_PARTS:
        return _tokens(len(json))
    plain = b"".join(json[:_BEGINNING].split())
    if plain[:1] == b"[" and plain[1:2].isdigit():
        return json.count(_COMMA) + 1
    if plain[:2] == b"[[" and plain[2:3].isdigit():
        return max(part.partition(b"]")[0].count(_COMMA) + 1 for part in json.split(b"["))
    return _tokens(max(map(_size, _strings(orjson.loads(json))), default=0))


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


_MEASURES: Final[Mapping[Operation, Measure]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: _conversation("messages"),
        Operation.MESSAGES: _conversation("messages"),
        Operation.RESPONSES: _conversation("input"),
        **dict.fromkeys((Operation.COMPLETIONS, *READING, *_TOKENIZING), _longest_text),
    }
)
