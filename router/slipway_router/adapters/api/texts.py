"""Texts from inner calls: whole, or as events while they are written."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from slipway_router.adapters.api.dispatch import Call, unless_gone
from slipway_router.adapters.api.inner_calls import AnswerBrokenError, InnerAnswer, InnerCalls
from slipway_router.domain import sse
from slipway_router.domain.api.events import Chunk, EventReader, EventTooLargeError, answer_of, chunk_of
from slipway_router.domain.api.simple_calls import EngineCall
from slipway_router.domain.errors import ErrorCode, RequestError, fail

_OWN: Final = frozenset(
    {
        b"content-type",
        b"content-length",
        b"x-request-id",
        b"transfer-encoding",
        # Every answer here gets these by its own caller's origin, and browsers refuse one that has them twice.
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
        b"vary",
    }
)


class PassedOn(Exception):  # noqa: N818 - no error here: the pipeline has answered already
    """The pipeline's answer is an error, which the caller gets as it is."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def broken() -> RequestError:
    """The error for an answer that ended before it was complete."""
    return fail(ErrorCode.ENGINE_FAILED, "The engine broke off this answer.")


def headers_of(answer: InnerAnswer) -> dict[str, str]:
    """Header fields that the pipeline added, for the caller."""
    return {name.decode(): value.decode("latin-1") for name, value in answer.headers if name not in _OWN}


async def whole(calls: InnerCalls, call: Call, engine_call: EngineCall) -> tuple[Chunk, dict[str, str]]:
    """The complete text, and header fields to send with it.

    Raises:
        PassedOn: an error was answered.
        RequestError: the answer broke off, or says nothing that can be read.
    """
    try:
        async with calls.open(*engine_call, call.headers, call.peer, call.request_id) as answer:
            await refuse_errors(answer)
            content = await answer.body()
            headers = headers_of(answer)
    except AnswerBrokenError:
        raise broken() from None
    try:
        return answer_of(orjson.loads(content), "message"), headers
    except orjson.JSONDecodeError:
        raise broken() from None


async def refuse_errors(answer: InnerAnswer) -> None:
    """Raise `PassedOn` if the answer is an error."""
    if answer.status >= 400:
        body = await answer.body()
        raise PassedOn(Response(body, answer.status, headers_of(answer), media_type="application/json"))


async def chunks_of(answer: InnerAnswer) -> AsyncIterator[Chunk]:
    """What a streamed answer says, piece by piece; an error is its last."""
    reader = EventReader()
    try:
        async for piece in answer.pieces():
            for content in reader.feed(piece):
                chunk = chunk_of(content)
                yield chunk
                if chunk.error is not None:
                    return
    except (AnswerBrokenError, EventTooLargeError):
        problem = broken().problem
        yield Chunk(error=orjson.loads(problem.body())["error"])


class Summary:
    """What a stream has said so far."""

    def __init__(self) -> None:
        self.model = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        self.parts: list[str] = []

    def add(self, chunk: Chunk) -> None:
        """Note one more piece."""
        self.model = chunk.model or self.model
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self.usage = chunk.usage or self.usage
        self.error = chunk.error or self.error
        if chunk.text:
            self.parts.append(chunk.text)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.parts)

    def end(self) -> dict[str, Any]:
        """What there is to say after the text."""
        return {"model": self.model, "finish_reason": self.finish_reason, "usage": self.usage}


class TextStream(Response):
    """A streamed text as events. Stops the engine when the caller leaves."""

    def __init__(
        self, answer: InnerAnswer, held: AsyncExitStack, done: Callable[[Summary], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(media_type=sse.CONTENT_TYPE.decode(), headers=headers_of(answer))
        del self.headers["content-length"]
        self._answer = answer
        self._held = held
        self._done = done
        self._finishing: asyncio.Future[None] | None = None
        self._summary = Summary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with self._held:
            await unless_gone(receive, self._send(send))
            self._answer.cancel()
            with suppress(RequestError):
                await self._finish()

    async def _finish(self) -> None:
        """Have the end dealt with, once, even if the caller leaves meanwhile."""
        if self._done is None:
            return
        if self._finishing is None:
            self._finishing = asyncio.ensure_future(self._done(self._summary))
        await asyncio.shield(self._finishing)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        summary = self._summary
        async for chunk in chunks_of(self._answer):
            summary.add(chunk)
            if chunk.text:
                await _event(send, {"text": chunk.text})
            elif chunk.progress:
                await send(_more(sse.comment(chunk.progress)))
        try:
            await self._finish()
        except RequestError as error:
            summary.error = orjson.loads(error.problem.body())["error"]
        if summary.error is not None:
            await _event(send, {"error": summary.error}, b"error")
        else:
            await _event(send, summary.end(), b"done")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def streamed(
    calls: InnerCalls,
    call: Call,
    engine_call: EngineCall,
    done: Callable[[Summary], Awaitable[None]] | None = None,
) -> TextStream:
    """The response that streams a text; raises as `whole` does. ``done`` is awaited at its end, whatever it was."""
    async with AsyncExitStack() as stack:
        try:
            answer = await stack.enter_async_context(calls.open(*engine_call, call.headers, call.peer, call.request_id))
            await refuse_errors(answer)
        except AnswerBrokenError:
            raise broken() from None
        return TextStream(answer, stack.pop_all(), done)


def _more(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _event(send: Send, content: dict[str, Any], name: bytes = b"") -> None:
    await send(_more(sse.event(orjson.dumps(content), name)))
