"""Names and attributes of spans.

Source of the names: OpenTelemetry's semantic conventions, https://opentelemetry.io/docs/specs/semconv/ (HTTP server
spans; generative AI client spans). What has no name there is called ``slipway.…``.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from slipway_crds.engines import EngineType, Operation
from slipway_router.domain.exchange import Exchange

Attributes = dict[str, str | bool | int | float | Sequence[str]]

_OPERATIONS: Final[Mapping[Operation, str]] = MappingProxyType(
    {
        Operation.CHAT_COMPLETIONS: "chat",
        Operation.RESPONSES: "chat",
        Operation.MESSAGES: "chat",
        Operation.COMPLETIONS: "text_completion",
        Operation.EMBEDDINGS: "embeddings",
        Operation.TEI_EMBED: "embeddings",
        Operation.TEI_EMBED_ALL: "embeddings",
        Operation.TEI_EMBED_SPARSE: "embeddings",
        Operation.IMAGES_GENERATIONS: "generate_content",
        Operation.IMAGES_EDITS: "generate_content",
    }
)
"""The conventions' names of operations; others keep ours."""
_CACHE: Final = b"x-slipway-cache"


def server_name(exchange: Exchange) -> str:
    """Name of the span of a request."""
    return f"{exchange.route.method.decode()} {exchange.route.name}"


def client_name(exchange: Exchange) -> str:
    """Name of the span of an engine's work."""
    return f"{_operation(exchange)} {exchange.model_name}"


def server_attributes(exchange: Exchange) -> Attributes:
    """What is told of a request. A model's name only if there is such a model: others are callers' words."""
    route = exchange.route
    attributes: Attributes = {
        "http.request.method": route.method.decode(),
        "http.route": route.name,
        "http.response.status_code": exchange.status,
        "url.scheme": "http",
        "client.address": exchange.peer,
        "slipway.request_id": exchange.request_id,
        "slipway.attempts": exchange.attempts,
        "slipway.held_seconds": exchange.held_seconds,
    }
    _add_generation(attributes, exchange)
    if exchange.caller is not None:
        attributes["slipway.key"] = exchange.caller.name
    if exchange.endpoint:
        attributes["slipway.endpoint"] = exchange.endpoint
    for name, value in exchange.reply_headers:
        if name == _CACHE:
            attributes["slipway.cache"] = value.decode("ascii")
    return attributes


def client_attributes(exchange: Exchange) -> Attributes:
    """What is told of an engine's work."""
    host, _, port = exchange.endpoint.rpartition(":")
    attributes: Attributes = {
        "server.address": host.strip("[]"),
        "http.request.method": exchange.route.method.decode(),
        "slipway.attempts": exchange.attempts,
    }
    if port.isdigit():
        attributes["server.port"] = int(port)
    _add_generation(attributes, exchange)
    if exchange.stream and exchange.first_byte is not None and exchange.trace is not None and exchange.trace.sent:
        waited = exchange.first_byte - exchange.trace.sent - exchange.held_seconds
        attributes["gen_ai.response.time_to_first_chunk"] = waited
    return attributes


def _add_generation(attributes: Attributes, exchange: Exchange) -> None:
    attributes["gen_ai.operation.name"] = _operation(exchange)
    model = exchange.model
    if model is not None:
        attributes["gen_ai.request.model"] = exchange.model_name
        attributes["gen_ai.provider.name"] = "openai" if model.engine is EngineType.EXTERNAL else str(model.engine)
        attributes["slipway.model"] = model.key
        if exchange.stream:
            attributes["gen_ai.request.stream"] = True
    if exchange.prompt_tokens or exchange.completion_tokens:
        attributes["gen_ai.usage.input_tokens"] = exchange.prompt_tokens
        attributes["gen_ai.usage.output_tokens"] = exchange.completion_tokens
    if exchange.problem is not None:
        attributes["error.type"] = exchange.problem.code.code
    elif exchange.aborted:
        attributes["error.type"] = f"aborted_by_{exchange.aborted}"


def _operation(exchange: Exchange) -> str:
    operation = exchange.route.operation
    return _OPERATIONS.get(operation, operation.value)
