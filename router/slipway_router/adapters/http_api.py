"""Everything on the data port but inference: the list of models, health, and errors for paths that do not exist."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slipway_router.domain.authentication import Authenticate
from slipway_router.domain.catalogue import CatalogueStore
from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.headers import given_request_id
from slipway_router.domain.listing import entry, visible
from slipway_router.domain.routes import BY_PATH

Endpoint = Callable[[Request], Awaitable[Response]]
_JSON: Final = "application/json"


class ModelsApi:
    """``GET /v1/models`` and ``GET /v1/models/{name}``."""

    def __init__(self, store: CatalogueStore, authenticate: Authenticate) -> None:
        self._store = store
        self._authenticate = authenticate

    async def list(self, request: Request) -> Response:
        """The models of the caller's key."""
        caller = self._authenticate.caller(dict(request.scope["headers"]))
        models = visible(self._store.current, caller)
        return Response(orjson.dumps({"object": "list", "data": models}), media_type=_JSON)

    async def one(self, request: Request) -> Response:
        """One model; 404 if it is unknown or not the caller's to know."""
        caller = self._authenticate.caller(dict(request.scope["headers"]))
        name = request.path_params["name"]
        model = self._store.current.by_name.get(name)
        if model is None or not caller.may_call(name):
            message = f"The model '{name}' does not exist or your API key does not open it."
            raise RequestError(Problem(ErrorCode.MODEL_NOT_FOUND, message, param="model"))
        return Response(orjson.dumps(entry(name, model)), media_type=_JSON)


class RequestIds:
    """Middleware: every answer carries ``X-Request-Id``, the caller's own if it is a plain word."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the header to the start of the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = given_request_id(dict(scope["headers"])) or self._new_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def problem_response(problem: Problem) -> Response:
    """The error envelope."""
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return Response(problem.body(), problem.status, headers, media_type=_JSON)


async def _on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return problem_response(error.problem)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: 404 and 405."""
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    allow = "POST" if request.scope["path"].encode() in BY_PATH else (error.headers or {}).get("Allow")
    if allow is not None:
        message = f"{method} is not allowed on {path}. Allowed: {allow}."
        return problem_response(Problem(ErrorCode.METHOD_NOT_ALLOWED, message, allow=allow))
    message = f"There is no {method} {path}. The API is OpenAI's, under /v1; GET /v1/models lists the models."
    return problem_response(Problem(ErrorCode.UNKNOWN_PATH, message))


async def _on_crash(request: Request, error: Exception) -> Response:
    return problem_response(Problem(ErrorCode.INTERNAL, "The router failed on this request."))


async def _live(request: Request) -> Response:
    return PlainTextResponse("ok\n")


def _ready(synced: Callable[[], bool]) -> Endpoint:
    async def ready(request: Request) -> Response:
        if synced():
            return PlainTextResponse("ok\n")
        return PlainTextResponse("models and keys are not known yet\n", HTTPStatus.SERVICE_UNAVAILABLE)

    return ready


def build_api(models: ModelsApi, synced: Callable[[], bool], new_id: Callable[[], str]) -> Starlette:
    """The ASGI application behind the hot path."""
    ready = _ready(synced)
    return Starlette(
        routes=[
            *(Route(path, models.list) for path in ("/v1/models", "/models")),
            *(Route(path, models.one) for path in ("/v1/models/{name:path}", "/models/{name:path}")),
            *(Route(path, _live) for path in ("/health", "/health/live")),
            *(Route(path, ready) for path in ("/health/ready", "/readiness")),
        ],
        middleware=[Middleware(RequestIds, new_id=new_id)],
        exception_handlers={
            RequestError: _on_request_error,
            HTTPException: _on_http_error,
            Exception: _on_crash,
        },
    )
