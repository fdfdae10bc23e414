"""Models and health on the data port, and the form of every answer there: names of requests, errors."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slipway_router.adapters.api.dispatch import REQUEST_ID, Call, Handlers, json_response
from slipway_router.domain.api.dialects import Dialect
from slipway_router.domain.api.listing import entry, visible
from slipway_router.domain.api.routes import dialect_of, route_of
from slipway_router.domain.callers.keys import Caller
from slipway_router.domain.errors import ErrorCode, Problem, RequestError
from slipway_router.domain.headers import given_request_id
from slipway_router.domain.models.catalogue import CatalogueStore, Model
from slipway_router.domain.models.resolving import unavailable

_JSON: Final = "application/json"
_STORED_RESPONSES: Final = "/v1/responses/"


class ModelsApi:
    """``GET /v1/models``, ``GET /v1/models/{name}`` and ``GET /tei/{name}/health``."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {"list_models": self._list, "get_model": self._one, "tei_health": self._health}

    async def _list(self, call: Call) -> Response:
        """The models of the caller's key."""
        models = visible(self._store.current, call.caller)
        return json_response({"object": "list", "data": models})

    async def _one(self, call: Call) -> Response:
        """One model; 404 if it is unknown or not the caller's to know."""
        name = call.path("name")
        return json_response(entry(name, self._known(name, call.caller)))

    async def _health(self, call: Call) -> Response:
        """Whether requests for a model are answered; asking wakes nothing and keeps nothing awake."""
        model = self._known(call.path("name"), call.caller)
        if not model.endpoints and not model.wakeable:
            raise unavailable(model)
        return Response()

    def _known(self, name: str, caller: Caller) -> Model:
        model = self._store.current.by_name.get(name)
        if model is None or not caller.may_call(name):
            message = f"The model '{name}' does not exist or your API key does not open it."
            raise RequestError(Problem(ErrorCode.MODEL_NOT_FOUND, message, param="model"))
        return model


class HealthApi:
    """Probes on the data port."""

    def __init__(self, synced: Callable[[], bool]) -> None:
        self._synced = synced

    def handlers(self) -> Handlers:
        """By the entry's name."""
        return {"live": self._live, "ready": self._ready}

    async def _live(self, call: Call) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, call: Call) -> Response:
        if self._synced():
            return PlainTextResponse("ok\n")
        return PlainTextResponse("models and keys are not known yet\n", HTTPStatus.SERVICE_UNAVAILABLE)


class RequestIds:
    """Middleware: every request has a name, the caller's own if it is a plain word, and its answer carries it."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the name to the scope and to the start of the answer."""
        request_id = scope[REQUEST_ID] = given_request_id(dict(scope["headers"])) or self._new_id()

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


async def on_request_error(request: Request, error: Exception) -> Response:
    """What a handler refused."""
    assert isinstance(error, RequestError)
    return problem_response(error.problem, _dialect(request))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: 404 and 405."""
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    route = route_of(_raw_path(request))
    allow = route.method.decode() if route is not None else (error.headers or {}).get("Allow")
    if allow is not None:
        allow = ", ".join(sorted(allow.split(", ")))
        message = f"{method} is not allowed on {path}. Allowed: {allow}."
        return problem_response(Problem(ErrorCode.METHOD_NOT_ALLOWED, message, allow=allow), _dialect(request))
    if path.startswith(_STORED_RESPONSES):
        message = "Responses are not stored: keep the answer of POST /v1/responses, and send earlier turns in 'input'."
    else:
        message = f"There is no {method} {path}. GET /docs shows what there is; OpenAI's API is under /v1."
    return problem_response(Problem(ErrorCode.UNKNOWN_PATH, message), _dialect(request))


async def on_crash(request: Request, error: Exception) -> Response:
    """A mistake in this program."""
    return problem_response(Problem(ErrorCode.INTERNAL, "The router failed on this request."), _dialect(request))


async def upgrade_required(call: Call) -> Response:
    """Where a WebSocket begins, something else came."""
    message = "This is a WebSocket. Connect with a WebSocket client, such as wss://HOST/chat/ws."
    response = problem_response(Problem(ErrorCode.UPGRADE_REQUIRED, message), Dialect.OPENAI)
    response.headers["upgrade"] = "websocket"
    return response
