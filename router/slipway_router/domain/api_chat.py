"""The simple API and chat sessions: their bodies, and what is declared of each call."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from slipway_router.domain.api_entries import (
    EVENTS,
    JSON,
    TEXT,
    Content,
    Entry,
    ModelName,
    Open,
    Parameter,
    Strict,
    Tag,
)
from slipway_router.domain.api_inference import ERRORS
from slipway_router.domain.errors import ErrorCode

MAX_MESSAGE: Final = 32_768
"""Characters of a message that a session keeps."""
MAX_TITLE: Final = 200
_SESSION_BODY: Final = 1024 * 1024
ID_PATTERN: Final = "^[A-Za-z0-9_-]{1,64}$"
Title = Annotated[str, Field(max_length=MAX_TITLE)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)]
Role = Literal["system", "user", "assistant"]


class Options(Open):
    """How a text is written. Further fields go to the engine as they are."""

    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None


class GenerateRequest(Options):
    """A prompt."""

    model: ModelName
    prompt: Annotated[str, Field(min_length=1)]
    system: str | None = Field(None, description="What the model is told before the prompt.")


class ChatTurn(Strict):
    """A turn of a chat."""

    role: Role
    content: str


class ChatRequest(Options):
    """A chat."""

    model: ModelName
    messages: Annotated[list[ChatTurn], Field(min_length=1)]


class TokenCounts(Open):
    """Tokens of a request, as its engine counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class TextAnswer(Strict):
    """A text that a model wrote."""

    model: str
    text: str
    finish_reason: str | None
    usage: TokenCounts | None


class TextModel(Open):
    """A model that writes text."""

    name: str
    state: str
    engine: str
    tasks: list[str]


class TextModels(Strict):
    """The models of the caller's key that write text."""

    models: list[TextModel]


class SessionRequest(Strict):
    """A session to begin."""

    title: Title = ""
    model: ModelName | None = None
    system: Text | None = Field(None, description="The system message; pruning keeps it.")


class SessionInfo(Strict):
    """A session without its messages. Times are in seconds since 1970."""

    id: str
    title: str
    model: str | None
    created: int
    updated: int
    messages: int


class SessionList(Strict):
    """The caller's sessions, the last used first."""

    object: Literal["list"] = "list"
    data: list[SessionInfo]


class AskRequest(Options):
    """The next thing the user says in a session."""

    content: Text
    model: ModelName | None = Field(None, description="Default: the session's model.")
    stream: bool | None = None


class AskAnswer(Strict):
    """What the model said. Both turns are in the session now."""

    session: str
    model: str
    message: ChatTurn
    finish_reason: str | None
    usage: TokenCounts | None


class History(Strict):
    """The messages of a session, the oldest first."""

    id: str
    messages: list[ChatTurn]


class RollbackRequest(Strict):
    """How much of a session to forget."""

    turns: Annotated[int, Field(ge=1, le=10_000)] = Field(1, description="Turns of the user, each with its answer.")


_STREAM_TEXT: Final = (
    'Events `data: {"text": "…"}`, then `event: done` with `model`, `finish_reason` and `usage`; '
    "`event: error` with the error object if it goes wrong on the way."
)
_PLAIN_TEXT: Final = "With `Accept: text/plain` the answer is the text alone."
_TEXT_ANSWER: Final = (Content(JSON, TextAnswer), Content(TEXT))
_GENERATE: Final[dict[str, Any]] = {"model": "chat", "prompt": "Say hello", "max_tokens": 32}
_CHAT: Final[dict[str, Any]] = {"model": "chat", "messages": ({"role": "user", "content": "Hello"},)}
_ID: Final = Parameter("id", "path", "The session.", {"type": "string", "pattern": ID_PATTERN})
_LIMIT: Final = Parameter(
    "limit", "query", "Most sessions listed.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
)
_SESSION: Final = (ErrorCode.SESSION_NOT_FOUND, ErrorCode.STORE_UNAVAILABLE)
_BODY: Final = (ErrorCode.INVALID_JSON, ErrorCode.BODY_TOO_LARGE, ErrorCode.UNSUPPORTED_ENCODING)

SIMPLE: Final = (
    Entry("list_llms", "GET", "/api/llms", "Models that write text", Tag.SIMPLE, answers=(Content(JSON, TextModels),)),
    Entry(
        "generate",
        "POST",
        "/api/generate",
        "The text for a prompt",
        Tag.SIMPLE,
        text=_PLAIN_TEXT,
        body=GenerateRequest,
        example=_GENERATE,
        answers=_TEXT_ANSWER,
        errors=ERRORS,
    ),
    Entry(
        "generate_stream",
        "POST",
        "/api/generate/stream",
        "The text for a prompt, as it is written",
        Tag.SIMPLE,
        text=_STREAM_TEXT,
        body=GenerateRequest,
        example=_GENERATE,
        answers=(Content(EVENTS),),
        errors=ERRORS,
    ),
    Entry(
        "chat",
        "POST",
        "/api/chat",
        "The next turn of a chat",
        Tag.SIMPLE,
        text=_PLAIN_TEXT,
        body=ChatRequest,
        example=_CHAT,
        answers=_TEXT_ANSWER,
        errors=ERRORS,
    ),
    Entry(
        "chat_stream",
        "POST",
        "/api/chat/stream",
        "The next turn of a chat, as it is written",
        Tag.SIMPLE,
        text=_STREAM_TEXT,
        body=ChatRequest,
        example=_CHAT,
        answers=(Content(EVENTS),),
        errors=ERRORS,
    ),
)

SESSIONS: Final = (
    Entry(
        "create_session",
        "POST",
        "/chat/sessions",
        "Begin a session",
        Tag.SESSIONS,
        body=SessionRequest,
        example={"title": "Ships", "model": "chat", "system": "Answer in one sentence."},
        max_body=_SESSION_BODY,
        status=201,
        answers=(Content(JSON, SessionInfo),),
        errors=(*_BODY, ErrorCode.STORE_UNAVAILABLE),
    ),
    Entry(
        "list_sessions",
        "GET",
        "/chat/sessions",
        "The sessions of your key",
        Tag.SESSIONS,
        parameters=(_LIMIT,),
        answers=(Content(JSON, SessionList),),
        errors=(ErrorCode.INVALID_VALUE, ErrorCode.STORE_UNAVAILABLE),
    ),
    Entry(
        "delete_session",
        "DELETE",
        "/chat/sessions/{id}",
        "End a session",
        Tag.SESSIONS,
        parameters=(_ID,),
        status=204,
        errors=_SESSION,
    ),
    Entry(
        "ask",
        "POST",
        "/chat/sessions/{id}/messages",
        "Say something in a session",
        Tag.SESSIONS,
        text=f"With `stream: true`: {_STREAM_TEXT[0].lower()}{_STREAM_TEXT[1:]}",
        parameters=(_ID,),
        body=AskRequest,
        example={"content": "What is a slipway?", "max_tokens": 64},
        max_body=_SESSION_BODY,
        answers=(Content(JSON, AskAnswer), Content(EVENTS)),
        errors=(*ERRORS, *_SESSION),
    ),
    Entry(
        "history",
        "GET",
        "/chat/history/{id}",
        "The messages of a session",
        Tag.SESSIONS,
        parameters=(_ID,),
        answers=(Content(JSON, History),),
        errors=_SESSION,
    ),
    Entry(
        "clear_history",
        "DELETE",
        "/chat/history/{id}",
        "Forget the messages of a session; the system message stays",
        Tag.SESSIONS,
        parameters=(_ID,),
        status=204,
        errors=_SESSION,
    ),
    Entry(
        "rollback",
        "POST",
        "/chat/history/{id}/rollback",
        "Forget the last turns of a session",
        Tag.SESSIONS,
        parameters=(_ID,),
        body=RollbackRequest,
        example={"turns": 1},
        max_body=_SESSION_BODY,
        answers=(Content(JSON, History),),
        errors=(*_BODY, *_SESSION),
    ),
    Entry(
        "chat_socket",
        "GET",
        "/chat/ws",
        "Chats over a WebSocket",
        Tag.SESSIONS,
        status=101,
        errors=(ErrorCode.UPGRADE_REQUIRED,),
        text="Frames are JSON. See the guide.",
        socket=True,
    ),
)
