"""HTTP shared by the in-process engines: reading JSON, answering errors, noticing that the caller has gone."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from slipway_runtime.domain.openai import ApiError

MAX_BODY_BYTES = 16 * 1024 * 1024
_UNWATCHED_SECONDS = 0.1
_GONE = 499  # nginx's code for a caller that closed its connection; nobody receives it.

Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``content`` as JSON; numpy arrays are written as lists."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def error_response(error: ApiError) -> Response:
    """The envelope of ``error``, with ``Retry-After`` where trying again helps."""
    headers = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return json_response(error.body, error.status, headers)


async def read_json(request: Request, limit: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The body, of at most ``limit`` bytes, as a JSON object. Raises ApiError (400, 413)."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise ApiError(413, f"the request's body is larger than {limit} bytes; send less at once")
        chunks.append(chunk)
    try:
        body = orjson.loads(b"".join(chunks))
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the request's body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the request's body must be a JSON object")
    return body


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, which is cancelled when the caller hangs up (then raises ClientDisconnect).

    To be used after the body has been read: what is received then can only be the end of the connection. It is looked
    for once ``work`` has taken a while: to look costs more than short work is worth.
    """
    watch = _Watch(request)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.took_back():
            raise ClientDisconnect from None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels the current task when the caller of ``request`` hangs up, until ``end`` is called."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._task = asyncio.current_task()
        self._cancelled = False
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED_SECONDS, self._begin)

    def took_back(self) -> bool:
        """Whether it was this watch that cancelled the task, which is then no longer held to be cancelled."""
        if self._cancelled and self._task is not None:
            self._task.uncancel()
        return self._cancelled

    def end(self) -> None:
        """Watch no longer."""
        self._task = None
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.create_task(_hang_up(self._request))
        self._watching.add_done_callback(self._on_hang_up)

    def _on_hang_up(self, watching: "asyncio.Task[None]") -> None:
        if self._task is not None and not watching.cancelled():
            self._cancelled = self._task.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def on_api_error(_: Request, error: Exception) -> Response:
    """Exception handler for ApiError."""
    assert isinstance(error, ApiError)
    return error_response(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Exception handler for Starlette's own 404 and 405."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return error_response(ApiError(error.status_code, message, code="unsupported_path"))


async def on_disconnect(_: Request, __: Exception) -> Response:
    """Exception handler for a caller that is gone."""
    return Response(status_code=_GONE)


async def on_bug(_: Request, __: Exception) -> Response:
    """Exception handler for everything unforeseen: the cause is in the log, not in the answer."""
    return error_response(
        ApiError(500, "the engine failed on this request; its log has the cause", kind="server_error")
    )


ERROR_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: on_api_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_disconnect,
    Exception: on_bug,
}
"""For ``Starlette(exception_handlers=...)`` of an engine."""
