"""What is declared of each call of the data port, and the words it is declared in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from slipway_router.domain.api.dialects import Dialect
from slipway_router.domain.api.routes import Route
from slipway_router.domain.errors import ErrorCode

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
TEXT: Final = "text/plain"
ModelName = Annotated[str, Field(min_length=1, max_length=256, description="A name that `GET /v1/models` lists.")]


class Strict(BaseModel):
    """A body whose fields are all known: others are refused, and nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Open(BaseModel):
    """A body that may have more fields than are known here: engines know more."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)


class Scope(Enum):
    """Who may call."""

    PUBLIC = "anyone"
    KEY = "API key"
    ADMIN = "admin key"


class Tag(Enum):
    """A chapter of the reference."""

    OPENAI = ("OpenAI", "OpenAI's API. Any OpenAI client works with the base URL `…/v1`.")
    ANTHROPIC = ("Anthropic", "Anthropic's Messages API, for engines that have it.")
    RERANK = ("Rerank and classify", "Ranking, classification and pooling, as vLLM, Jina and Cohere have them.")
    TEI = ("text-embeddings-inference", "TEI's API names no model: each has the base URL `/tei/MODEL`.")
    SIMPLE = ("Simple", "One prompt or chat in, its text out.")
    SESSIONS = ("Sessions", "Chats that the router remembers. A session belongs to the key that made it.")
    ADMIN = ("Admin", "For keys with `spec.admin: true`.")
    HEALTH = ("Health", "Probes. They need no key.")
    DOCUMENTS = ("Documents", "This API, described.")

    def __init__(self, title: str, text: str) -> None:
        self.title = title
        self.text = text


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path or of the query string."""

    name: str
    where: Literal["path", "query"]
    text: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string", "minLength": 1})


@dataclass(frozen=True, slots=True)
class Content:
    """A body of an answer."""

    media_type: str
    model: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One call: everything that the router and its documents need to know of it."""

    name: str
    """Its ``operationId``, and where its handler is found."""
    method: str
    path: str
    """With ``{NAME}`` for parameters."""
    summary: str
    tag: Tag
    aliases: tuple[str, ...] = ()
    scope: Scope = Scope.KEY
    text: str = ""
    """More about it, as Markdown."""
    parameters: tuple[Parameter, ...] = ()
    body: type[BaseModel] | None = None
    form: bool = False
    """Whether the body may be ``multipart/form-data``, too."""
    example: Mapping[str, Any] | None = None
    """Of the body."""
    max_body: int | None = None
    """Largest body in bytes; None: 1 MiB, and of inference calls as much as the router takes of any."""
    status: int = 200
    answers: tuple[Content, ...] = ()
    """What comes with ``status``."""
    errors: tuple[ErrorCode, ...] = ()
    """What can go wrong besides what can with every call of its scope."""
    dialect: Dialect = Dialect.OPENAI
    route: Route | None = None
    """For an inference call: the way to the engine."""
    socket: bool = False
    """Whether it is the begin of a WebSocket."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The path and its aliases."""
        return (self.path, *self.aliases)

    @property
    def hidden_parameters(self) -> frozenset[str]:
        """Parameters that a path of it may hold any character of, ``/`` too."""
        return frozenset(p.name for p in self.parameters if p.where == "path" and p.schema.get("x-any-character"))


NAME_IN_PATH: Final = Parameter(
    "name",
    "path",
    "The model's name; may contain `/`.",
    {"type": "string", "minLength": 1, "x-any-character": True},
)
