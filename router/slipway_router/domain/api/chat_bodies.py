"""Bodies of the simple API and of chat sessions."""

from typing import Annotated, Final, Literal

from pydantic import Field

from slipway_router.domain.api.entries import ModelName, Open, Strict
from slipway_router.domain.api.sampling import WHOLE, Sampling, Stops, Tokens

MAX_MESSAGE: Final = 32_768
"""Characters of a message that a session keeps."""
MAX_TITLE: Final = 200
Title = Annotated[str, Field(max_length=MAX_TITLE)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE)]
Role = Literal["system", "user", "assistant"]


class Options(Sampling):
    """How a text is written. Further fields go to the engine as they are."""

    max_tokens: Tokens | None = None
    stop: Stops | None = None


class GenerateRequest(Options):
    """A prompt."""

    model: ModelName
    prompt: Annotated[str, Field(min_length=1)]
    system: str | None = Field(None, description="What the model is told before the prompt.")


class ChatTurn(Strict):
    """A turn of a chat."""

    role: Role
    content: str


class ChatRequest(Options):
    """A chat."""

    model: ModelName
    messages: Annotated[list[ChatTurn], Field(min_length=1)]


class TokenCounts(Open):
    """Tokens of a request, as its engine counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class TextAnswer(Strict):
    """A text that a model wrote."""

    model: str
    text: str
    finish_reason: str | None
    usage: TokenCounts | None


class TextModel(Open):
    """A model that writes text."""

    name: str
    state: str
    engine: str
    tasks: list[str]


class TextModels(Strict):
    """The models of the caller's key that write text."""

    models: list[TextModel]


class SessionRequest(Strict):
    """A session to begin."""

    model: ModelName
    title: Title = ""
    system: Text | None = Field(None, description="The system message; pruning keeps it.")


class SessionInfo(Strict):
    """A session without its messages. Times are in seconds since 1970."""

    id: str
    title: str
    model: str
    created: int
    updated: int
    messages: int


class SessionList(Strict):
    """The caller's sessions, the last used first."""

    object: Literal["list"] = "list"
    data: list[SessionInfo]


class AskRequest(Options):
    """The next thing the user says in a session."""

    content: Text
    model: ModelName | None = Field(None, description="Default: the session's model.")
    stream: bool | None = None


class AskAnswer(Strict):
    """What the model said. Both turns are in the session now."""

    session: str
    model: str
    message: ChatTurn
    finish_reason: str | None
    usage: TokenCounts | None


class History(Strict):
    """The messages of a session, the oldest first."""

    id: str
    messages: list[ChatTurn]


class RollbackRequest(Strict):
    """How much of a session to forget."""

    turns: Annotated[int, Field(ge=1, le=10_000), WHOLE] = Field(
        1, description="Turns of the user, each with its answer."
    )
