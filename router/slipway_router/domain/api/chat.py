"""The simple API and chat sessions: what is declared of each call."""

from typing import Any, Final

from slipway_router.domain.api.chat_bodies import (
    AskAnswer,
    AskRequest,
    ChatRequest,
    GenerateRequest,
    History,
    RollbackRequest,
    SessionInfo,
    SessionList,
    SessionRequest,
    TextAnswer,
    TextModels,
)
from slipway_router.domain.api.entries import EVENTS, JSON, TEXT, Content, Entry, Parameter, Scope, Tag
from slipway_router.domain.api.inference import ERRORS
from slipway_router.domain.errors import ErrorCode

_SESSION_BODY: Final = 1024 * 1024
ID_PATTERN: Final = "^[A-Za-z0-9_-]{1,64}$"
_FRAMES: Final = """\
The key comes in the handshake's `Authorization`, or within 10 s in the first frame `{"type": "auth", "key": "KEY"}`;
then the router says `{"type": "ready"}`. A frame
`{"type": "chat", "id": "1", "model": "chat", "messages": [...], "temperature": 0.5}`, or one with `session` and
`content` in place of `messages`, is answered by frames `{"type": "token", "id": "1", "text": "..."}` and one
`{"type": "done", "id": "1", "model", "finish_reason", "usage"}` or `{"type": "error", "id": "1", "error": {...}}`;
`{"type": "progress", ...}` tells what a model does that wakes. `{"type": "cancel", "id": "1"}` stops a chat. Up to 4
chats run at a time; a message has at most 1 MiB. A restart of the router lets running chats finish, then closes with
code 1012."""
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
_BODY: Final = (
    ErrorCode.INVALID_JSON,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_ENCODING,
    ErrorCode.ROUTER_FULL,
)

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
        scope=Scope.PUBLIC,
        status=101,
        errors=(ErrorCode.UPGRADE_REQUIRED,),
        text=_FRAMES,
        socket=True,
    ),
)
