"""``/chat``: sessions, what is said in them, and their history."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

from slipway_router.adapters.api.dispatch import Call, Handlers, json_response
from slipway_router.adapters.api.inner_calls import InnerCalls
from slipway_router.adapters.api.texts import PassedOn, Summary, streamed, whole
from slipway_router.domain.api.chat_bodies import MAX_MESSAGE, AskRequest, RollbackRequest, SessionRequest
from slipway_router.domain.api.sessions import (
    ASSISTANT,
    SYSTEM,
    USER,
    Message,
    Messages,
    Session,
    SessionStore,
    cleared,
    is_id,
    pruned,
    rolled_back,
)
from slipway_router.domain.api.simple_calls import EngineCall, chat_call, options_of
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import ErrorCode, RequestError, fail

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
            secrets.token_hex(16), call.caller.identity, now, now, body.title, body.model, messages, len(messages)
        )
        await self._store.add(session)
        return json_response(_info(session), 201)

    async def _list(self, call: Call) -> Response:
        sessions = await self._store.of(call.caller.identity, _limit(call))
        return json_response({"object": "list", "data": [_info(session) for session in sessions]})

    async def _delete(self, call: Call) -> Response:
        session_id = call.path("id")
        if not is_id(session_id) or not await self._store.delete(call.caller.identity, session_id):
            raise _unknown(session_id)
        return Response(status_code=204)

    async def _history(self, call: Call) -> Response:
        return json_response(_history(await self._session(call.caller, call.path("id"))))

    async def _clear(self, call: Call) -> Response:
        await self._change(call.caller, call.path("id"), cleared)
        return Response(status_code=204)

    async def _rollback(self, call: Call) -> Response:
        body: RollbackRequest = call.body
        session = await self._change(call.caller, call.path("id"), lambda messages: rolled_back(messages, body.turns))
        return json_response(_history(session))

    async def _ask(self, call: Call) -> Response:
        body: AskRequest = call.body
        options = options_of(body.model_dump(exclude={"content", "model", "stream"}))
        stream = bool(body.stream)
        asked = await self.question(call.caller, call.path("id"), body.content, body.model, options, stream=stream)

        async def done(summary: Summary) -> None:
            if summary.parts and summary.error is None:
                await asked.keep(summary.text)

        try:
            if stream:
                return await streamed(self._calls, call, asked.engine_call, done)
            said, headers = await whole(self._calls, call, asked.engine_call)
        except PassedOn as answered:
            return answered.response
        await asked.keep(said.text)
        content = {
            "session": call.path("id"),
            "model": said.model or asked.model,
            "message": _turn(Message(ASSISTANT, said.text)),
            "finish_reason": said.finish_reason,
            "usage": said.usage,
        }
        return json_response(content, headers=headers)

    async def question(
        self,
        caller: Caller,
        session_id: str,
        content: str,
        model: str | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
    ) -> "Question":
        """What to ask the engine when the user says ``content`` in a session.

        Raises:
            RequestError: the session is not the caller's.
        """
        session = await self._session(caller, session_id)
        wanted = model or session.model
        said = Message(USER, content)
        turns = [_turn(turn) for turn in pruned((*session.messages, said), self._most)]

        async def keep(text: str) -> None:
            answer = Message(ASSISTANT, text[:MAX_MESSAGE])
            await self._change(caller, session_id, lambda messages: pruned((*messages, said, answer), self._most))

        return Question(wanted, chat_call(wanted, turns, options, stream=stream), keep)

    async def _session(self, caller: Caller, session_id: str) -> Session:
        found = await self._store.get(caller.identity, session_id) if is_id(session_id) else None
        if found is None:
            raise _unknown(session_id)
        return found

    async def _change(self, caller: Caller, session_id: str, change: Callable[[Messages], Messages]) -> Session:
        changed = None
        if is_id(session_id):
            changed = await self._store.change(caller.identity, session_id, change, self._now())
        if changed is None:
            raise _unknown(session_id)
        return changed


@dataclass(frozen=True, slots=True)
class Question:
    """What the user says in a session, on its way to the engine."""

    model: str
    engine_call: EngineCall
    keep: Callable[[str], Awaitable[None]]
    """Puts the question and this answer into the session."""


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
