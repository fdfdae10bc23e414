"""The paths of the inference APIs: which operation each asks for, and what it is called at the engine.

Only these are forwarded: an engine's other paths (its admin and debug ones) stay out of reach.

text-embeddings-inference's API names no model, so there each model has a base URL of its own: ``/tei/MODEL``. Its
paths below that are a fixed list, which is why MODEL may contain ``/``, encoded as ``%2F`` or not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from slipway_crds.engines import Operation
from slipway_router.domain.api.dialects import Dialect

TEI_PREFIX: Final = b"/tei/"
ENGINE_HEADERS: Final = (b"accept", b"content-type", b"traceparent", b"tracestate")
"""All that an engine sees of a caller's header: never a key, a cookie, an address or an identity."""


class ModelIn(Enum):
    """Where a request says which model it wants."""

    BODY = "body"
    PATH = "path"
    NOWHERE = "nowhere"
    """The only model of the key that has the operation is meant."""


@dataclass(frozen=True, slots=True)
class Route:
    """An operation on a model."""

    path: str
    """The path at the engine."""
    operation: Operation
    aliases: tuple[str, ...] = ()
    """Further paths at the router."""
    method: bytes = b"POST"
    model_in: ModelIn = ModelIn.BODY
    form: bool = False
    """Whether the body may be ``multipart/form-data`` in place of JSON."""
    dialect: Dialect = Dialect.OPENAI
    unnamed: "Route | None" = None
    """What a request on an alias without a ``model`` is."""
    headers: tuple[bytes, ...] = ENGINE_HEADERS
    """Header fields of the caller that go on to the engine."""
    name: str = ""
    """Label in metrics and logs; the path unless said otherwise."""
    request_line: bytes = field(init=False)
    """As engines get it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.path)
        object.__setattr__(self, "request_line", b"%b %b HTTP/1.1" % (self.method, self.path.encode()))


def _tei(path: str, operation: Operation, method: bytes = b"POST") -> tuple[Route, Route]:
    """The route below ``/tei/MODEL`` and the bare one."""
    bare = Route(path, operation, method=method, model_in=ModelIn.NOWHERE, dialect=Dialect.TEI)
    return replace(bare, model_in=ModelIn.PATH, name=f"/tei{path}"), bare


_TEI: Final = (
    _tei("/embed", Operation.TEI_EMBED),
    _tei("/embed_all", Operation.TEI_EMBED_ALL),
    _tei("/embed_sparse", Operation.TEI_EMBED_SPARSE),
    _tei("/predict", Operation.TEI_PREDICT),
    _tei("/similarity", Operation.TEI_SIMILARITY),
    _tei("/decode", Operation.TEI_DECODE),
    _tei("/info", Operation.TEI_INFO, method=b"GET"),
)
_TEI_RERANK, _RERANK_UNNAMED = _tei("/rerank", Operation.TEI_RERANK)
_TEI_TOKENIZE, _TOKENIZE_UNNAMED = _tei("/tokenize", Operation.TEI_TOKENIZE)
_TEI_EMBEDDINGS: Final = Route("/v1/embeddings", Operation.EMBEDDINGS, model_in=ModelIn.PATH, name="/tei/v1/embeddings")

ROUTES: Final = (
    Route("/v1/chat/completions", Operation.CHAT_COMPLETIONS, ("/chat/completions",)),
    Route("/v1/completions", Operation.COMPLETIONS, ("/completions",)),
    Route("/v1/responses", Operation.RESPONSES, ("/responses",)),
    Route(
        "/v1/messages",
        Operation.MESSAGES,
        dialect=Dialect.ANTHROPIC,
        headers=(*ENGINE_HEADERS, b"anthropic-version", b"anthropic-beta"),
    ),
    Route("/v1/embeddings", Operation.EMBEDDINGS, ("/embeddings",)),
    Route("/v1/rerank", Operation.RERANK, ("/rerank",), unnamed=_RERANK_UNNAMED),
    Route("/classify", Operation.CLASSIFY, ("/v1/classify",)),
    Route("/pooling", Operation.POOLING, ("/v1/pooling",)),
    Route("/v1/images/generations", Operation.IMAGES_GENERATIONS, ("/images/generations",)),
    Route("/v1/images/edits", Operation.IMAGES_EDITS, ("/images/edits",), form=True),
    Route("/v1/audio/transcriptions", Operation.AUDIO_TRANSCRIPTIONS, ("/audio/transcriptions",), form=True),
    Route("/v1/audio/translations", Operation.AUDIO_TRANSLATIONS, ("/audio/translations",), form=True),
    Route("/tokenize", Operation.TOKENIZE, ("/v1/tokenize",), unnamed=_TOKENIZE_UNNAMED),
    Route("/detokenize", Operation.DETOKENIZE, ("/v1/detokenize",)),
    *(bare for _, bare in _TEI),
)
"""Routes with a path of their own."""


def _by_path(routes: Iterable[Route]) -> Mapping[bytes, Route]:
    return MappingProxyType({path.encode(): route for route in routes for path in (route.path, *route.aliases)})


BY_PATH: Final[Mapping[bytes, Route]] = _by_path(ROUTES)
"""Route of each path, as it stands in the request line."""
BELOW_MODEL: Final[Mapping[bytes, Route]] = _by_path(
    (_TEI_EMBEDDINGS, _TEI_RERANK, _TEI_TOKENIZE, *(below for below, _ in _TEI))
)
"""Route of each path behind ``/tei/MODEL``."""


def below_model(path: bytes) -> tuple[Route, str] | None:
    """The route and the model's name of a path ``/tei/MODEL/…``; None for every other path."""
    if not path.startswith(TEI_PREFIX):
        return None
    for suffix, route in BELOW_MODEL.items():
        name = path[len(TEI_PREFIX) : -len(suffix)]
        if name and path.endswith(suffix):
            return route, unquote_to_bytes(name).decode(errors="replace")
    return None


def route_of(path: bytes) -> Route | None:
    """The route that answers on a path."""
    found = below_model(path)
    return found[0] if found is not None else BY_PATH.get(path)


def dialect_of(path: bytes) -> Dialect:
    """Whose error objects callers on a path understand, whether there is such a path or not."""
    route = route_of(path)
    if route is not None:
        return route.dialect
    return Dialect.TEI if path.startswith(TEI_PREFIX) else Dialect.OPENAI


def paths_of(operations: Iterable[Operation]) -> tuple[str, ...]:
    """The paths by which callers ask for ``operations``, for people to read."""
    wanted = frozenset(operations)
    named = [route.path for route in ROUTES if route.operation in wanted and route.dialect is not Dialect.TEI]
    below = [
        f"/tei/MODEL{route.path}"
        for route in BELOW_MODEL.values()
        if route.operation in wanted - {Operation.EMBEDDINGS}
    ]
    return (*named, *below)
