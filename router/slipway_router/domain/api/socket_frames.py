"""Frames of ``/chat/ws``: JSON objects with a ``type``."""

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from slipway_router.domain.api.chat_bodies import ChatTurn, Options, Text
from slipway_router.domain.api.entries import ModelName, Strict
from slipway_router.domain.api.simple_calls import options_of
from slipway_router.domain.api.wrong_fields import wrong_field
from slipway_router.domain.errors import ErrorCode, RequestError, fail

ChatId = Annotated[str, Field(min_length=1, max_length=64)]


class AuthFrame(Strict):
    """Who calls, for clients that cannot send header fields."""

    type: Literal["auth"]
    key: Annotated[str, Field(min_length=1, max_length=16_384)]


class ChatFrame(Options):
    """A chat to answer: ``messages``, or what the user says next in a ``session``. ``id`` comes back in the answer."""

    type: Literal["chat"]
    id: ChatId
    model: ModelName | None = None
    messages: Annotated[list[ChatTurn], Field(min_length=1)] | None = None
    session: Annotated[str, Field(max_length=64)] | None = None
    content: Text | None = None

    def options(self) -> dict[str, Any]:
        """What goes to the engine besides the messages."""
        known = {"type", "id", "model", "messages", "session", "content", "stream"}
        return options_of(self.model_dump(exclude=known))


class CancelFrame(Strict):
    """A chat whose answer nobody wants any more."""

    type: Literal["cancel"]
    id: ChatId


Frame = AuthFrame | ChatFrame | CancelFrame
_FRAME: Final[TypeAdapter[Frame]] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])


def read_frame(text: str | bytes) -> Frame:
    """The frame in a message.

    Raises:
        RequestError: what is wrong with it.
    """
    try:
        return _FRAME.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise fail(ErrorCode.INVALID_JSON, "A frame must be a JSON object.")
    wrong_type = "Field 'type' must be 'auth', 'chat' or 'cancel'."
    raise wrong_field(first, first["loc"][1:]) or fail(ErrorCode.INVALID_VALUE, wrong_type, param="type")


def id_in(text: str | bytes) -> str | None:
    """The ``id`` of a frame that may be wrong otherwise."""
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    found = parsed.get("id") if isinstance(parsed, dict) else None
    return found[:64] if isinstance(found, str) else None


def error_frame(chat_id: str | None, error: Any) -> dict[str, Any]:
    """What went wrong with a chat, or with the connection."""
    return {"type": "error", "id": chat_id, "error": error}


def problem_frame(chat_id: str | None, error: RequestError) -> dict[str, Any]:
    """The same, of an error of our own."""
    return error_frame(chat_id, orjson.loads(error.problem.body())["error"])
