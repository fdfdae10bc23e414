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
from slipway_router.domain.catalogue import CatalogueStore, Model
from slipway_router.domain.dialects import Dialect
from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.headers import given_request_id
from slipway_router.domain.keys import Caller
from slipway_router.domain.listing import entry, visible
from slipway_router.domain.resolving import unavailable
from slipway_router.domain.routes import dialect_of, route_of

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
        return Response(orjson.dumps(entry(name, self._known(name, caller))), media_type=_JSON)

    async def health(self, request: Request) -> Response:
        """Whether requests for a model are answered; asking wakes nothing and keeps nothing awake."""
        caller = self._authenticate.caller(dict(request.scope["headers"]))
        model = self._known(request.path_params["name"], caller)
        if not model.endpoints and not model.wakeable:
            raise unavailable(model)
        return Response()

    def _known(self, name: str, caller: Caller) -> Model:
        model = self._store.current.by_name.get(name)
        if model is None or not caller.may_call(name):
            message = f"The model '{name}' does not exist or your API key does not open it."
            raise RequestError(Problem(ErrorCode.MODEL_NOT_FOUND, message, param="model"))
        return model


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


def problem_response(problem: Problem, dialect: Dialect) -> Response:
    """The error object."""
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return Response(problem.body(dialect), problem.status, headers, media_type=_JSON)


def _dialect(request: Request) -> Dialect:
    return dialect_of(_raw_path(request))


def _raw_path(request: Request) -> bytes:
    path: bytes = request.scope["raw_path"]
    return path.partition(b"?")[0]


async def _on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return problem_response(error.problem, _dialect(request))


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: 404 and 405."""
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    route = route_of(_raw_path(request))
    allow = route.method.decode() if route is not None else (error.headers or {}).get("Allow")
    if allow is not None:
        message = f"{method} is not allowed on {path}. Allowed: {allow}."
        return problem_response(Problem(ErrorCode.METHOD_NOT_ALLOWED, message, allow=allow), _dialect(request))
    message = f"There is no {method} {path}. The API is OpenAI's, under /v1; GET /v1/models lists the models."
    return problem_response(Problem(ErrorCode.UNKNOWN_PATH, message), _dialect(request))


async def _on_crash(request: Request, error: Exception) -> Response:
    return problem_response(Problem(ErrorCode.INTERNAL, "The router failed on this request."), _dialect(request))


async def _stored_response(request: Request) -> Response:
    message = "Responses are not stored: keep the answer of POST /v1/responses, and send earlier turns in 'input'."
    return problem_response(Problem(ErrorCode.UNKNOWN_PATH, message), Dialect.OPENAI)


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
            Route("/tei/{name:path}/health", models.health),
            Route("/v1/responses/{rest:path}", _stored_response, methods=["GET", "POST", "DELETE"]),
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
