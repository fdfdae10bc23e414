"""Between Starlette and the handlers of the table: who calls, with what body, and what if the caller leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive

from slipway_router.adapters.http.cycle import Front
from slipway_router.domain.api.entries import Entry, Scope
from slipway_router.domain.api.wrong_fields import wrong_field
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import ErrorCode, RequestError, fail
from slipway_router.domain.exchange import Headers
from slipway_router.domain.requests.bodies import too_large, too_many

MAX_BODY: Final = 1024 * 1024
"""Bytes of a body where the table gives no number. Inference calls do not come here."""
REQUEST_ID: Final = "slipway.request_id"
"""Where an ASGI scope holds the request's name."""
_NOBODY: Final = Caller("", models=())
_ADMIN_ONLY: Final = "This needs an admin key: one whose APIKey has 'spec.admin: true'."
T = TypeVar("T")

Identify = Callable[[Headers, str], Awaitable[Caller]]
"""The caller who sent these header fields from this address; raises `RequestError`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an entry of the table, checked as the table says."""

    request: Request
    caller: Caller
    """Nobody, where the entry is for anyone."""
    body: Any
    """An instance of the entry's model; None if it has none."""

    @property
    def headers(self) -> Headers:
        """Header fields as they came."""
        fields: Headers = self.request.scope["headers"]
        return fields

    @property
    def peer(self) -> str:
        """Address of the caller."""
        return peer_of(self.request)

    @property
    def request_id(self) -> str:
        """The request's name."""
        name: str = self.request.scope[REQUEST_ID]
        return name

    def path(self, name: str) -> str:
        """A parameter of the path."""
        value: str = self.request.path_params[name]
        return value


Handler = Callable[[Call], Awaitable[Response]]
Handlers = Mapping[str, Handler]
"""By the entry's name."""


def json_response(content: Any, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def peer_of(request: Request) -> str:
    """Address of the caller."""
    return request.client.host if request.client else ""


def cold_routes(
    table: Mapping[str, Sequence[Entry]], handlers: Handlers, identify: Identify, front: Front
) -> list[Route]:
    """A Starlette route for each path that has calls besides inference; what ``front`` says of bodies holds for theirs.

    Raises:
        KeyError: a call has no handler.
    """
    routes = []
    for path, entries in table.items():
        cold = {entry.method: entry for entry in entries if entry.route is None}
        if cold:
            work = {method: (entry, handlers[entry.name]) for method, entry in cold.items()}
            shown = path
            for name in next(iter(cold.values())).hidden_parameters:
                shown = shown.replace(f"{{{name}}}", f"{{{name}:path}}")
            routes.append(Route(shown, _endpoint(work, identify, front), methods=sorted(cold)))
    return routes


def _endpoint(
    work: Mapping[str, tuple[Entry, Handler]], identify: Identify, front: Front
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def endpoint(request: Request) -> Response:
        entry, handler = work.get(request.method) or work["GET"]  # Starlette lets HEAD in where GET is.
        caller = await _caller(entry.scope, request, identify)
        try:
            body = await _body(request, entry, front) if entry.body is not None else None
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # Nobody sees it.
        answer = await unless_gone(request.receive, handler(Call(request, caller, body)))
        return answer if answer is not None else Response(status_code=HTTPStatus.BAD_REQUEST)

    return endpoint


async def _caller(scope: Scope, request: Request, identify: Identify) -> Caller:
    if scope is Scope.PUBLIC:
        return _NOBODY
    caller = await identify(request.scope["headers"], peer_of(request))
    if scope is Scope.ADMIN and not caller.admin:
        raise fail(ErrorCode.ADMIN_REQUIRED, _ADMIN_ONLY)
    return caller


async def _body(request: Request, entry: Entry, front: Front) -> BaseModel:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise fail(ErrorCode.UNSUPPORTED_ENCODING, "Compressed bodies are not accepted. Send it as it is.")
    assert entry.body is not None
    limit = min(entry.max_body or MAX_BODY, front.max_body_bytes)
    content = bytearray()
    try:
        async for piece in request.stream():
            if len(content) + len(piece) > limit:
                raise RequestError(too_large(limit))
            if not front.bodies.take(len(piece)):
                raise RequestError(too_many())
            content += piece
        return read_body(bytes(content), entry.body)
    finally:
        front.bodies.size -= len(content)


def read_body(content: bytes, model: type[BaseModel]) -> BaseModel:
    """The body as an instance of ``model``; an empty one is an object without fields.

    Raises:
        RequestError: 400; the message names the field.
    """
    try:
        return model.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise _wrong_body(error) from None


def _wrong_body(error: ValidationError) -> RequestError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        detail = first["msg"].removeprefix("Invalid JSON: ")
        return fail(ErrorCode.INVALID_JSON, f"The body is not valid JSON: {detail}.")
    return wrong_field(first, first["loc"]) or fail(ErrorCode.INVALID_JSON, "The body must be a JSON object.")


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T | None:
    """What ``work`` gives; None, and ``work`` is cancelled, if the caller leaves before."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
