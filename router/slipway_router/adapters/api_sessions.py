"""``/chat``: sessions, what is said in them, and their history."""

import secrets
from collections.abc import Callable
from typing import Any, Final

import orjson
from starlette.responses import Response

from slipway_router.adapters.api_dispatch import Call, Handlers
from slipway_router.adapters.api_texts import PassedOn, Summary, streamed, whole
from slipway_router.adapters.inner_calls import InnerCalls
from slipway_router.domain.api_chat_bodies import MAX_MESSAGE, AskRequest, RollbackRequest, SessionRequest
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.sessions import (
    ASSISTANT,
    SYSTEM,
    USER,
    Message,
    Messages,
    Session,
    SessionStore,
    cleared,
    is_id,
    owner_of,
    pruned,
    rolled_back,
)
from slipway_router.domain.simple_calls import chat_call, options_of

_JSON: Final = "application/json"
_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1000


class SessionsApi:
    """Its calls."""

    def __init__(
        self, store: SessionStore, calls: InnerCalls, max_messages: int, wall_clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._calls = calls
        self._most = max_messages
        self._now = wall_clock

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {
            "create_session": self._create,
            "list_sessions": self._list,
            "delete_session": self._delete,
            "ask": self._ask,
            "history": self._history,
            "clear_history": self._clear,
            "rollback": self._rollback,
        }

    async def _create(self, call: Call) -> Response:
        body: SessionRequest = call.body
        now = self._now()
        messages = (Message(SYSTEM, body.system),) if body.system is not None else ()
        session = Session(
            secrets.token_hex(16), owner_of(call.caller), now, now, body.title, body.model, messages, len(messages)
        )
        await self._store.add(session)
        return _json(_info(session), 201)

    async def _list(self, call: Call) -> Response:
        sessions = await self._store.of(owner_of(call.caller), _limit(call))
        return _json({"object": "list", "data": [_info(session) for session in sessions]})

    async def _delete(self, call: Call) -> Response:
        session_id = _id(call)
        if not await self._store.delete(owner_of(call.caller), session_id):
            raise _unknown(session_id)
        return Response(status_code=204)

    async def _history(self, call: Call) -> Response:
        return _json(_history(await self.session(call)))

    async def _clear(self, call: Call) -> Response:
        await self._change(call, cleared)
        return Response(status_code=204)

    async def _rollback(self, call: Call) -> Response:
        body: RollbackRequest = call.body
        return _json(_history(await self._change(call, lambda messages: rolled_back(messages, body.turns))))

    async def _ask(self, call: Call) -> Response:
        body: AskRequest = call.body
        session = await self.session(call)
        model = body.model or session.model
        if model is None:
            raise fail(ErrorCode.MISSING_FIELD, "Field 'model' is missing, and the session has none.", param="model")
        question = Message(USER, body.content)
        turns = pruned((*session.messages, question), self._most)
        options = options_of(body.model_dump(exclude={"content", "model", "stream"}))
        stream = bool(body.stream)
        engine_call = chat_call(model, [_turn(turn) for turn in turns], options, stream=stream)

        async def keep(text: str) -> None:
            answer = Message(ASSISTANT, text[:MAX_MESSAGE])
            await self._change(call, lambda messages: pruned((*messages, question, answer), self._most))

        async def done(summary: Summary) -> None:
            text = "".join(summary.parts)
            if text and summary.error is None:
                await keep(text)

        try:
            if stream:
                return await streamed(self._calls, call, engine_call, done)
            said, headers = await whole(self._calls, call, engine_call)
        except PassedOn as answered:
            return answered.response
        await keep(said.text)
        content = {"session": session.id, "model": said.model or model, "message": _turn(Message(ASSISTANT, said.text))}
        return _json({**content, "finish_reason": said.finish_reason, "usage": said.usage}, headers=headers)

    async def session(self, call: Call) -> Session:
        """The session that the path names; raises `RequestError` (404) if it is not the caller's."""
        session_id = _id(call)
        session = await self._store.get(owner_of(call.caller), session_id)
        if session is None:
            raise _unknown(session_id)
        return session

    async def _change(self, call: Call, change: Callable[[Messages], Messages]) -> Session:
        session_id = _id(call)
        session = await self._store.change(owner_of(call.caller), session_id, change, self._now())
        if session is None:
            raise _unknown(session_id)
        return session


def _id(call: Call) -> str:
    session_id = call.path("id")
    if not is_id(session_id):
        raise _unknown(session_id)
    return session_id


def _unknown(session_id: str) -> RequestError:
    message = f"There is no session '{session_id[:64]}' of your key. GET /chat/sessions lists them."
    return fail(ErrorCode.SESSION_NOT_FOUND, message)


def _limit(call: Call) -> int:
    text = call.request.query_params.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MAX_LIMIT):
        message = f"Parameter 'limit' must be a whole number from 1 to {_MAX_LIMIT}."
        raise fail(ErrorCode.INVALID_VALUE, message, param="limit")
    return int(text)


def _info(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "title": session.title,
        "model": session.model,
        "created": int(session.created),
        "updated": int(session.updated),
        "messages": session.count,
    }


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _history(session: Session) -> dict[str, Any]:
    return {"id": session.id, "messages": [_turn(message) for message in session.messages]}


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type=_JSON)
