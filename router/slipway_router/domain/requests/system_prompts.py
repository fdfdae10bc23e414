"""The system prompt that a model gives to conversations without one."""

from typing import Final

import msgspec

from slipway_router.domain.exchange import Body
from slipway_router.domain.requests.calls import Call, Chat, Messages, Responses

_NOTHING: Final = msgspec.Raw()
_NULL: Final = b"null"
_SYSTEM: Final = frozenset({"system", "developer"})


class _Turn(msgspec.Struct):
    role: str | None = None


class _Conversation(msgspec.Struct):
    messages: msgspec.Raw = _NOTHING
    system: msgspec.Raw = _NOTHING
    instructions: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING


class _Message(msgspec.Struct):
    role: str
    content: str


_decode: Final = msgspec.json.Decoder(_Conversation).decode
_decode_turns: Final = msgspec.json.Decoder(list[_Turn]).decode


def system_edit(body: Body, call: Call, prompt: str) -> tuple[str, bytes, bool] | None:
    """The field to set so that a conversation has ``prompt``, its JSON, and whether the caller sent that field.

    None if it has a system prompt, or is none, or is so wrong that the engine will refuse it.
    """
    conversation = _decode(body)
    try:
        if isinstance(call, Chat):
            return _first_message(conversation.messages, prompt)
        if isinstance(call, Messages):
            return _field("system", conversation.system, prompt)
        if isinstance(call, Responses) and not _has_system(conversation.input):
            return _field("instructions", conversation.instructions, prompt)
    except msgspec.ValidationError:
        pass
    return None


def _field(name: str, sent: msgspec.Raw, prompt: str) -> tuple[str, bytes, bool] | None:
    there = bytes(memoryview(sent))
    return (name, msgspec.json.encode(prompt), bool(there)) if there in (b"", _NULL) else None


def _first_message(messages: msgspec.Raw, prompt: str) -> tuple[str, bytes, bool] | None:
    sent = bytes(memoryview(messages))
    if sent[:1] != b"[" or _has_system(messages):
        return None
    rest = sent[1:].lstrip()
    comma = b"" if rest == b"]" else b","
    return "messages", b"[" + msgspec.json.encode(_Message("system", prompt)) + comma + rest, True


def _has_system(turns: msgspec.Raw) -> bool:
    if bytes(memoryview(turns)[:1]) != b"[":
        return False
    return any(turn.role in _SYSTEM for turn in _decode_turns(turns))
