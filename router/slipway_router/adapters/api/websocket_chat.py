"""``/chat/ws``: chats over a WebSocket, a few at a time, each of which can be cancelled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import orjson
from starlette.types import Message, Receive, Scope, Send

from slipway_router.adapters.api.dispatch import Identify
from slipway_router.adapters.api.inner_calls import AnswerBrokenError, InnerCalls
from slipway_router.adapters.api.sessions import SessionsApi
from slipway_router.adapters.api.texts import PassedOn, Summary, broken, chunks_of, refuse_errors
from slipway_router.adapters.http.websocket_protocol import DRAIN
from slipway_router.domain.api.simple_calls import EngineCall, chat_call
from slipway_router.domain.api.socket_frames import (
    AuthFrame,
    CancelFrame,
    ChatFrame,
    error_frame,
    id_in,
    problem_frame,
    read_frame,
)
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Headers

AUTH_SECONDS: Final = 10.0
"""How long the first frame may take where the handshake had no key."""
MAX_CHATS: Final = 4
"""Chats of one connection at a time."""
_POLICY: Final = 1008
_FAILED: Final = 1011
_RESTART: Final = 1012
_KEYS: Final = frozenset({b"authorization", b"x-api-key"})
Keep = Callable[[str], Awaitable[None]]
_log = logging.getLogger(__name__)


class _ClosedError(Exception):
    """The connection is over, or shall be closed with ``code``."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


class ChatSocket:
    """The ASGI application of the path."""

    def __init__(
        self,
        calls: InnerCalls,
        identify: Identify,
        sessions: SessionsApi,
        new_id: Callable[[], str],
        auth_seconds: float = AUTH_SECONDS,
    ) -> None:
        self.calls = calls
        self.identify = identify
        self.sessions = sessions
        self.new_id = new_id
        self.auth_seconds = auth_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await receive()  # The handshake.
        connection = _Connection(self, scope, receive, send)
        try:
            if await connection.accept():
                await connection.run()
        except _ClosedError as closed:
            if closed.code is not None:
                await send({"type": "websocket.close", "code": closed.code})
        except Exception:
            _log.exception("a WebSocket connection failed unexpectedly")
            with suppress(_ClosedError):
                await connection.fail()
        finally:
            await connection.end()


class _Connection:
    def __init__(self, parts: ChatSocket, scope: Scope, receive: Receive, send: Send) -> None:
        self._parts = parts
        self._receive = receive
        self._give = send
        self._headers: Headers = scope["headers"]
        self._peer: str = scope["client"][0] if scope.get("client") else ""
        self._caller: Caller | None = None
        self._chats: dict[str, asyncio.Task[None]] = {}
        self._accepted = False
        self._draining = False
        self._early: Message | None = None

    async def accept(self) -> bool:
        """Answer the handshake, and find out who calls; False if it was refused."""
        if any(name in _KEYS for name, _ in self._headers):
            try:
                self._caller = await self._parts.identify(self._headers, self._peer)
            except RequestError as error:
                await self._refuse(error)
                return False
        await self._send({"type": "websocket.accept"})
        self._accepted = True
        if self._caller is None:
            await self._authenticate()
        await self._say({"type": "ready"})
        return True

    async def _refuse(self, error: RequestError) -> None:
        headers = [(b"content-type", b"application/json"), *error.problem.headers()]
        await self._send({"type": "websocket.http.response.start", "status": error.problem.status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": error.problem.body()})

    async def _authenticate(self) -> None:
        """Wait for the key; a caller who needs none may do without."""
        try:
            async with asyncio.timeout(self._parts.auth_seconds):
                event = await self._receive()
            frame = read_frame(_text(event))
            if isinstance(frame, AuthFrame):
                self._headers = [*self._headers, (b"authorization", b"Bearer " + frame.key.encode())]
            else:
                self._early = event  # Where callers need no key, this is a chat already.
            self._caller = await self._parts.identify(self._headers, self._peer)
        except TimeoutError:
            message = f"No key came within {self._parts.auth_seconds:.0f} s."
            await self._say(problem_frame(None, fail(ErrorCode.INVALID_API_KEY, message)))
            raise _ClosedError(_POLICY) from None
        except RequestError as error:
            await self._say(problem_frame(None, error))
            raise _ClosedError(_POLICY) from None

    async def run(self) -> None:
        """Take frames until the caller leaves, or until a drain has let the last chat finish."""
        if self._early is not None:
            await self._take(self._early)
        coming = asyncio.ensure_future(self._receive())
        try:
            while self._chats or not self._draining:
                running = self._chats.values() if self._draining else ()
                await asyncio.wait((coming, *running), return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    event = coming.result()
                    coming = asyncio.ensure_future(self._receive())
                    await self._take(event)
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        raise _ClosedError(_RESTART)

    async def fail(self) -> None:
        """Tell the caller that this program has made a mistake, and close."""
        if not self._accepted:
            await self._refuse(_mistake())
            return
        await self._say(problem_frame(None, _mistake()))
        await self._send({"type": "websocket.close", "code": _FAILED})

    async def end(self) -> None:
        """Stop what still runs."""
        chats = list(self._chats.values())
        for chat in chats:
            chat.cancel()
        await asyncio.gather(*chats, return_exceptions=True)

    async def _take(self, event: Message) -> None:
        if event["type"] == DRAIN:
            self._draining = True
            return
        text = _text(event)
        try:
            frame = read_frame(text)
            if isinstance(frame, ChatFrame):
                self._start(frame)
            elif isinstance(frame, CancelFrame):
                await self._cancel(frame.id)
            else:
                raise fail(ErrorCode.INVALID_VALUE, "The connection has a key already.", param="type")
        except RequestError as error:
            await self._say(problem_frame(id_in(text), error))

    def _start(self, frame: ChatFrame) -> None:
        if self._draining:
            raise fail(ErrorCode.ROUTER_FULL, "The router is about to end. Connect again.", retry_after=1)
        if frame.id in self._chats:
            raise fail(ErrorCode.INVALID_VALUE, f"A chat with the id '{frame.id}' runs already.", param="id")
        if len(self._chats) >= MAX_CHATS:
            raise fail(ErrorCode.TOO_MANY_CHATS, f"{MAX_CHATS} chats run on this connection. Wait for one to end.")
        task = self._chats[frame.id] = asyncio.create_task(self._chat(frame))
        task.add_done_callback(lambda _: self._chats.pop(frame.id, None))

    async def _cancel(self, chat_id: str) -> None:
        chat = self._chats.get(chat_id)
        if chat is None:
            return  # It has ended meanwhile, and its caller has been told.
        chat.cancel()
        await asyncio.gather(chat, return_exceptions=True)
        await self._say({"type": "done", "id": chat_id, "model": "", "finish_reason": "cancelled", "usage": None})

    async def _chat(self, frame: ChatFrame) -> None:
        with suppress(_ClosedError):  # The caller has left, of which `run` hears by itself.
            try:
                engine_call, keep = await self._question(frame)
                await self._answer(frame.id, engine_call, keep)
            except RequestError as error:
                await self._say(problem_frame(frame.id, error))
            except PassedOn as answered:
                await self._say(error_frame(frame.id, orjson.loads(bytes(answered.response.body))["error"]))
            except _ClosedError:
                raise
            except Exception:
                _log.exception("a WebSocket chat failed unexpectedly")
                await self._say(problem_frame(frame.id, _mistake()))

    async def _question(self, frame: ChatFrame) -> tuple[EngineCall, Keep | None]:
        if (frame.session is None) == (frame.messages is None):
            message = "Field 'messages' or the fields 'session' and 'content' say what to answer."
            raise fail(ErrorCode.MISSING_FIELD, message, param="messages")
        if frame.session is None:
            if frame.model is None:
                raise fail(ErrorCode.MISSING_FIELD, "Field 'model' is missing.", param="model")
            turns = [turn.model_dump() for turn in frame.messages or ()]
            return chat_call(frame.model, turns, frame.options(), stream=True), None
        if frame.content is None:
            raise fail(ErrorCode.MISSING_FIELD, "Field 'content' is missing.", param="content")
        assert self._caller is not None
        question = await self._parts.sessions.question(
            self._caller, frame.session, frame.content, frame.model, frame.options(), stream=True
        )
        return question.engine_call, question.keep

    async def _answer(self, chat_id: str, engine_call: EngineCall, keep: Keep | None) -> None:
        summary = Summary()
        try:
            opened = self._parts.calls.open(*engine_call, self._headers, self._peer, self._parts.new_id())
            async with opened as answer:
                await refuse_errors(answer)
                async for chunk in chunks_of(answer):
                    summary.add(chunk)
                    if chunk.text:
                        await self._say({"type": "token", "id": chat_id, "text": chunk.text})
                    elif chunk.progress:
                        await self._say({"type": "progress", "id": chat_id, "text": chunk.progress})
        except AnswerBrokenError:
            raise broken() from None
        except (asyncio.CancelledError, _ClosedError):
            if keep is not None and summary.parts:
                with suppress(RequestError):
                    await _to_its_end(keep(summary.text))
            raise
        if summary.error is not None:
            await self._say(error_frame(chat_id, summary.error))
            return
        if keep is not None and summary.parts:
            await keep(summary.text)
        await self._say({"type": "done", "id": chat_id, **summary.end()})

    async def _say(self, frame: dict[str, Any]) -> None:
        await self._send({"type": "websocket.send", "text": orjson.dumps(frame).decode()})

    async def _send(self, message: Message) -> None:
        try:
            await self._give(message)
        except OSError:
            raise _ClosedError from None  # The caller has left.


def _mistake() -> RequestError:
    return fail(ErrorCode.INTERNAL, "The router failed on this chat.")


async def _to_its_end(work: Awaitable[None]) -> None:
    """Wait for ``work``, which goes on if the connection ends meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _text(event: Message) -> str | bytes:
    """The text of a message that came; raises `_ClosedError` if the caller has left."""
    if event["type"] == DRAIN:
        raise _ClosedError(_RESTART)
    if event["type"] != "websocket.receive":
        raise _ClosedError
    text: str | bytes = event.get("text") or event.get("bytes") or ""
    return text
