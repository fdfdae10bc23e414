"""Bodies of the inference calls, as far as the router documents them. Engines know more fields, which go through."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from slipway_router.domain.api.entries import ModelName, Open
from slipway_router.domain.api.sampling import WHOLE, Choices, Sampling, Stops, Tokens, Whole

T = TypeVar("T")
NotEmpty = Annotated[str, Field(min_length=1)]
Some = Annotated[list[T], Field(min_length=1)]
TokenIds = Some[int]


class TextRequest(Sampling):
    """What nearly every engine that writes text knows."""

    model: ModelName
    stream: bool | None = Field(None, description="Answer with server-sent events that end with `data: [DONE]`.")
    max_tokens: Tokens | None = None
    n: Choices | None = None
    stop: Stops | None = None


class Message(Open):
    """One turn of a chat. ``content`` is a text or a list of parts, pictures among them."""

    role: str
    content: str | list[dict[str, Any]] | None = None


class ChatCompletionRequest(TextRequest):
    """A chat."""

    messages: list[Message]
    max_completion_tokens: Tokens | None = None
    stream_options: dict[str, Any] | None = None


class CompletionRequest(TextRequest):
    """A text to go on with."""

    prompt: str | list[Any]


class ResponseRequest(Sampling):
    """A request of OpenAI's Responses API. Responses are not stored."""

    model: ModelName
    input: str | list[Any]
    stream: bool | None = None
    max_output_tokens: Tokens | None = None


class MessagesRequest(Sampling):
    """A request of Anthropic's Messages API."""

    model: ModelName
    messages: list[Message]
    max_tokens: Tokens
    stream: bool | None = None


class EmbeddingRequest(Open):
    """Texts to embed."""

    model: ModelName
    input: NotEmpty | Some[NotEmpty] | TokenIds | Some[TokenIds]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1), WHOLE] | None = None


class RerankRequest(Open):
    """Documents to rank by what they have to do with a query."""

    model: ModelName
    query: Any
    documents: list[Any]
    top_n: Annotated[int, Field(ge=1), WHOLE] | None = None


class InputRequest(Open):
    """Anything that takes ``input``."""

    model: ModelName
    input: Any = None


class ImageRequest(Open):
    """A picture to draw."""

    model: ModelName
    prompt: str
    n: Annotated[int, Field(ge=1), WHOLE] | None = None
    size: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    seed: Whole | None = None


class FileRequest(Open):
    """A form with files. ``model`` may stand anywhere in it."""

    model: ModelName


class TokenizeRequest(Open):
    """A text, or a chat, to cut into tokens."""

    model: ModelName
    prompt: str | None = None
    messages: list[Message] | None = None


class DetokenizeRequest(Open):
    """Tokens to make a text of."""

    model: ModelName
    tokens: list[int]


class TeiRequest(Open):
    """As text-embeddings-inference takes it."""

    inputs: Any = None


class Usage(Open):
    """Tokens of a request, as its engine counted them."""

    prompt_tokens: int
    completion_tokens: int | None = None
    total_tokens: int


class ChatCompletion(Open):
    """A chat's next turn."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: Usage | None = None


class Completion(ChatCompletion):
    """How the text goes on."""


class Embeddings(Open):
    """Vectors, in the order of the texts."""

    object: str
    data: list[dict[str, Any]]
    model: str
    usage: Usage | None = None


class EngineAnswer(Open):
    """The engine's own answer."""


class Images(Open):
    """Pictures."""

    created: int
    data: list[dict[str, Any]]
