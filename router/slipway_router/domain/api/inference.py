"""The inference calls: what `routes` forwards, with what is to be said of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from slipway_crds.engines import Operation
from slipway_router.domain.api import inference_bodies as bodies
from slipway_router.domain.api.entries import EVENTS, JSON, NAME_IN_PATH, Content, Entry, Tag
from slipway_router.domain.api.routes import BELOW_MODEL, ROUTES, TEI_PREFIX, ModelIn, Route
from slipway_router.domain.errors import ErrorCode

ERRORS: Final = (
    ErrorCode.INVALID_JSON,
    ErrorCode.INVALID_VALUE,
    ErrorCode.MISSING_FIELD,
    ErrorCode.MODEL_NOT_ALLOWED,
    ErrorCode.MODEL_NOT_FOUND,
    ErrorCode.UNSUPPORTED_TASK,
    ErrorCode.REQUEST_TIMEOUT,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_ENCODING,
    ErrorCode.ROUTER_FULL,
    ErrorCode.OVERLOADED,
    ErrorCode.ENGINE_FAILED,
    ErrorCode.MODEL_UNAVAILABLE,
    ErrorCode.ENGINE_TIMEOUT,
)
_HELLO: Final[Any] = ({"role": "user", "content": "Hello"},)


@dataclass(frozen=True, slots=True)
class _Facts:
    summary: str
    body: type[BaseModel]
    answer: type[BaseModel] | None = bodies.EngineAnswer
    streams: bool = False
    tag: Tag = Tag.OPENAI
    example: Mapping[str, Any] | None = None


_TEI: Final = (bodies.TeiRequest, None, False, Tag.TEI, {"inputs": "A sentence"})
_FACTS: Final[Mapping[Operation, _Facts]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: _Facts(
            "The next turn of a chat",
            bodies.ChatCompletionRequest,
            bodies.ChatCompletion,
            True,
            example={"model": "chat", "messages": _HELLO},
        ),
        Operation.COMPLETIONS: _Facts(
            "How a text goes on",
            bodies.CompletionRequest,
            bodies.Completion,
            True,
            example={"model": "chat", "prompt": "Once upon a time", "max_tokens": 32},
        ),
        Operation.RESPONSES: _Facts(
            "OpenAI's Responses API", bodies.ResponseRequest, streams=True, example={"model": "chat", "input": "Hello"}
        ),
        Operation.MESSAGES: _Facts(
            "Anthropic's Messages API",
            bodies.MessagesRequest,
            streams=True,
            tag=Tag.ANTHROPIC,
            example={"model": "chat", "max_tokens": 64, "messages": _HELLO},
        ),
        Operation.EMBEDDINGS: _Facts(
            "Vectors of texts",
            bodies.EmbeddingRequest,
            bodies.Embeddings,
            example={"model": "embed", "input": ["A sentence"]},
        ),
        Operation.RERANK: _Facts(
            "Documents in the order of their relevance",
            bodies.RerankRequest,
            tag=Tag.RERANK,
            example={"model": "rerank", "query": "ships", "documents": ["A slipway", "A motorway"]},
        ),
        Operation.CLASSIFY: _Facts("Classes of texts", bodies.InputRequest, tag=Tag.RERANK),
        Operation.POOLING: _Facts("What the model's pooler gives", bodies.InputRequest, tag=Tag.RERANK),
        Operation.IMAGES_GENERATIONS: _Facts(
            "Pictures of a text", bodies.ImageRequest, bodies.Images, example={"model": "image", "prompt": "A ship"}
        ),
        Operation.IMAGES_EDITS: _Facts("A picture, changed", bodies.FileRequest, bodies.Images),
        Operation.AUDIO_TRANSCRIPTIONS: _Facts("Speech as text", bodies.FileRequest, None, True),
        Operation.AUDIO_TRANSLATIONS: _Facts("Speech as English text", bodies.FileRequest, None, True),
        Operation.TOKENIZE: _Facts(
            "A text's tokens", bodies.TokenizeRequest, example={"model": "chat", "prompt": "Hello"}
        ),
        Operation.DETOKENIZE: _Facts(
            "The text of tokens", bodies.DetokenizeRequest, example={"model": "chat", "tokens": [1]}
        ),
        Operation.TEI_EMBED: _Facts("Vectors of texts", *_TEI),
        Operation.TEI_EMBED_ALL: _Facts("Vectors of every token", *_TEI),
        Operation.TEI_EMBED_SPARSE: _Facts("Sparse vectors of texts", *_TEI),
        Operation.TEI_RERANK: _Facts("Texts in the order of their relevance", bodies.TeiRequest, None, tag=Tag.TEI),
        Operation.TEI_PREDICT: _Facts("Classes of texts", *_TEI),
        Operation.TEI_SIMILARITY: _Facts("How alike sentences are", *_TEI),
        Operation.TEI_TOKENIZE: _Facts("A text's tokens", *_TEI),
        Operation.TEI_DECODE: _Facts("The text of tokens", bodies.TeiRequest, None, tag=Tag.TEI),
        Operation.TEI_INFO: _Facts("What the model is", bodies.TeiRequest, None, tag=Tag.TEI),
    }
)


def _entry(route: Route, path: str, suffix: str = "") -> Entry:
    facts = _FACTS[route.operation]
    below = route.model_in is ModelIn.PATH
    get = route.method == b"GET"
    events = (Content(EVENTS),) if facts.streams else ()
    return Entry(
        name=f"{route.operation}{suffix}",
        method=route.method.decode(),
        path=path,
        aliases=() if below else route.aliases,
        summary=facts.summary,
        tag=Tag.TEI if below else facts.tag,
        text="" if route.model_in is not ModelIn.NOWHERE else "Means the only model of the key that does this.",
        parameters=(NAME_IN_PATH,) if below else (),
        body=None if get else facts.body,
        form=route.form,
        example=None if get else facts.example,
        answers=(Content(JSON, facts.answer), *events),
        errors=ERRORS,
        dialect=route.dialect,
        route=route,
    )


def _entries() -> Iterator[Entry]:
    for route in ROUTES:
        yield _entry(route, route.path)
    for suffix, route in BELOW_MODEL.items():
        yield _entry(route, f"{TEI_PREFIX.decode()}{{name}}{suffix.decode()}", "_of_model")


INFERENCE: Final = tuple(_entries())
