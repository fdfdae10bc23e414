"""Everything on the data port that is neither inference nor chat: models, health, admin calls, documents."""

from typing import Final, Literal

from slipway_router.domain.api.dialects import Dialect
from slipway_router.domain.api.entries import (
    JSON,
    NAME_IN_PATH,
    TEXT,
    Content,
    Entry,
    ModelName,
    Open,
    Parameter,
    Scope,
    Strict,
    Tag,
)
from slipway_router.domain.errors import ErrorCode


class ModelEntry(Open):
    """A model as OpenAI lists it; ``state``, ``tasks``, ``engine``, ``device`` and ``start_seconds`` are Slipway's own.

    ``start_seconds`` tells where the time of its last start went, as far as it is known: ``scheduled``, ``pulled``,
    ``fetched``, ``loaded``, ``warmed`` and ``total``.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    state: str
    tasks: list[str]
    engine: str


class ModelList(Strict):
    """The models that the caller's key opens, asleep or awake."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class AdminModel(Strict):
    """What the router knows of a model."""

    name: str
    namespace: str
    served_names: list[str]
    engine: str
    device: str
    tasks: list[str]
    state: str
    reason: str
    replicas: int
    in_flight: int
    waiting: int


class AdminModels(Strict):
    """Every model."""

    models: list[AdminModel]


class ManageRequest(Strict):
    """The model that is meant."""

    model: ModelName


class Managed(Strict):
    """What was asked of a model. It happens by and by: ``state`` is that of now."""

    model: str
    state: str


class Latency(Strict):
    """Times in seconds; quantiles are estimated from a histogram."""

    mean: float
    p50: float
    p95: float


class CacheCounts(Strict):
    """What the response cache did."""

    hits: int
    misses: int
    stores: int


class ModelMetrics(Strict):
    """The numbers of one model since the router's start."""

    namespace: str
    model: str
    requests: int
    errors: int
    prompt_tokens: int
    completion_tokens: int
    latency: Latency
    cache: CacheCounts


class AdminMetrics(Strict):
    """The numbers of every model."""

    models: list[ModelMetrics]


_MANAGE: Final = (
    ErrorCode.INVALID_JSON,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_ENCODING,
    ErrorCode.ROUTER_FULL,
    ErrorCode.NOT_ENABLED,
    ErrorCode.MODEL_NOT_FOUND,
    ErrorCode.MANAGER_FAILED,
)
_SMALL: Final = 64 * 1024
_OK: Final = (Content(TEXT),)


def _order(name: str, path: str, summary: str, text: str = "") -> Entry:
    """A call that has something done with a model."""
    return Entry(
        name,
        "POST",
        path,
        summary,
        Tag.ADMIN,
        scope=Scope.ADMIN,
        text=text,
        body=ManageRequest,
        example={"model": "chat"},
        max_body=_SMALL,
        status=202,
        answers=(Content(JSON, Managed),),
        errors=_MANAGE,
    )


MODELS: Final = (
    Entry(
        "list_models",
        "GET",
        "/v1/models",
        "The models of your key",
        Tag.OPENAI,
        aliases=("/models",),
        answers=(Content(JSON, ModelList),),
    ),
    Entry(
        "get_model",
        "GET",
        "/v1/models/{name}",
        "One model",
        Tag.OPENAI,
        aliases=("/models/{name}",),
        parameters=(NAME_IN_PATH,),
        answers=(Content(JSON, ModelEntry),),
        errors=(ErrorCode.MODEL_NOT_FOUND,),
    ),
    Entry(
        "tei_health",
        "GET",
        "/tei/{name}/health",
        "Whether requests for the model are answered; wakes nothing",
        Tag.TEI,
        parameters=(NAME_IN_PATH,),
        errors=(ErrorCode.MODEL_NOT_FOUND, ErrorCode.MODEL_UNAVAILABLE),
        dialect=Dialect.TEI,
    ),
)

ADMIN: Final = (
    Entry(
        "admin_models",
        "GET",
        "/admin/models",
        "Every model and what it does",
        Tag.ADMIN,
        scope=Scope.ADMIN,
        answers=(Content(JSON, AdminModels),),
    ),
    _order("load_model", "/admin/models/load", "Start a model"),
    _order(
        "unload_model",
        "/admin/models/unload",
        "Stop a model as soon as its running requests are answered",
        "On Kubernetes it stays away until it is loaded again; `slipway up` starts it for the next request.",
    ),
    Entry(
        "admin_metrics",
        "GET",
        "/admin/metrics",
        "Requests, latency, tokens and cache of each model",
        Tag.ADMIN,
        scope=Scope.ADMIN,
        answers=(Content(JSON, AdminMetrics),),
    ),
)

HEALTH: Final = (
    Entry(
        "live",
        "GET",
        "/health",
        "Whether the router runs",
        Tag.HEALTH,
        aliases=("/health/live",),
        scope=Scope.PUBLIC,
        answers=_OK,
    ),
    Entry(
        "ready",
        "GET",
        "/health/ready",
        "Whether the router knows its models and keys",
        Tag.HEALTH,
        aliases=("/readiness",),
        scope=Scope.PUBLIC,
        answers=_OK,
        errors=(ErrorCode.MODEL_UNAVAILABLE,),
    ),
)

DOCUMENTS: Final = (
    Entry(
        "openapi",
        "GET",
        "/openapi.json",
        "This API as an OpenAPI 3.1 document",
        Tag.DOCUMENTS,
        scope=Scope.PUBLIC,
        answers=(Content(JSON),),
    ),
    Entry(
        "docs",
        "GET",
        "/docs",
        "This API in Swagger UI",
        Tag.DOCUMENTS,
        aliases=("/swagger-ui",),
        scope=Scope.PUBLIC,
        answers=(Content("text/html"),),
    ),
    Entry(
        "docs_asset",
        "GET",
        "/docs/assets/{file}",
        "A file of Swagger UI",
        Tag.DOCUMENTS,
        scope=Scope.PUBLIC,
        parameters=(Parameter("file", "path", "Its name."),),
        answers=(Content("text/css"), Content("text/javascript"), Content("image/png")),
        errors=(ErrorCode.UNKNOWN_PATH,),
    ),
)
