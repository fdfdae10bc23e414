"""What the router reads of a JSON request: by its operation, the fields that it acts on, and their ranges.

Whatever is not named here goes to the engine as it came. A field that was left out is ``UNSET``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from slipway_crds.engines import Operation

T = TypeVar("T")
Maybe: TypeAlias = T | UnsetType | None

MAX_STOPS: Final = 16
MAX_CHOICES: Final = 128
_INT64: Final = 2**63 - 1
_INT32: Final = 2**31 - 1

Flag = Annotated[Maybe[bool], Meta(description="true or false")]
Tokens = Annotated[Maybe[Annotated[int, Meta(ge=1)]], Meta(description="a whole number, at least 1")]
AnyTokens = Annotated[Maybe[int], Meta(description="a whole number")]
"""For llama.cpp, where -1 is as many as there is room for."""
Temperature = Annotated[Maybe[Annotated[float, Meta(ge=0, le=2)]], Meta(description="a number from 0 to 2")]
Share = Annotated[Maybe[Annotated[float, Meta(ge=0, le=1)]], Meta(description="a number from 0 to 1")]
Penalty = Annotated[Maybe[Annotated[float, Meta(ge=-2, le=2)]], Meta(description="a number from -2 to 2")]
Repetition = Annotated[
    Maybe[Annotated[float, Meta(gt=0, le=2)]], Meta(description="a number greater than 0, at most 2")
]
TopK = Annotated[Maybe[Annotated[int, Meta(ge=-1, le=_INT32)]], Meta(description=f"a whole number from -1 to {_INT32}")]
Choices = Annotated[
    Maybe[Annotated[int, Meta(ge=1, le=MAX_CHOICES)]], Meta(description=f"a whole number from 1 to {MAX_CHOICES}")
]
Seed = Annotated[
    Maybe[Annotated[int, Meta(ge=-_INT64 - 1, le=_INT64)]], Meta(description="a whole number of at most 64 bits")
]
Stops = Annotated[
    Maybe[str | Annotated[list[str], Meta(max_length=MAX_STOPS)]],
    Meta(description=f"a text, or a list of at most {MAX_STOPS} texts"),
]
StopList = Annotated[
    Maybe[Annotated[list[str], Meta(max_length=MAX_STOPS)]],
    Meta(description=f"a list of at most {MAX_STOPS} texts"),
]
Likeliest = Annotated[Maybe[Annotated[int, Meta(ge=0, le=20)]], Meta(description="a whole number from 0 to 20")]
Logprobs = Annotated[
    Maybe[bool | Annotated[int, Meta(ge=0, le=20)]], Meta(description="true, false or a whole number from 0 to 20")
]
StreamOptions = Annotated[Maybe[dict[str, Any]], Meta(description='an object such as {"include_usage": true}')]


class Call(msgspec.Struct, gc=False, frozen=True):
    """A request for any operation."""

    model: Annotated[str | None, Meta(description="a name of 1 to 256 characters")] = None
    stream: Annotated[bool | None, Meta(description="true or false")] = None


class Generation(Call, gc=False, frozen=True):
    """A request for text, in any API."""

    temperature: Temperature = UNSET
    top_p: Share = UNSET
    top_k: TopK = UNSET
    min_p: Share = UNSET
    seed: Seed = UNSET
    presence_penalty: Penalty = UNSET
    frequency_penalty: Penalty = UNSET
    repetition_penalty: Repetition = UNSET
    """vLLM's name."""
    repeat_penalty: Repetition = UNSET
    """llama.cpp's name of the same."""
    n_predict: AnyTokens = UNSET
    """llama.cpp's name of ``max_tokens``, which goes before it there."""


class Completions(Generation, gc=False, frozen=True):
    """``/v1/completions``."""

    max_tokens: Tokens = UNSET
    n: Choices = UNSET
    stop: Stops = UNSET
    logprobs: Logprobs = UNSET
    stream_options: StreamOptions = UNSET


class Chat(Completions, gc=False, frozen=True):
    """``/v1/chat/completions``."""

    max_completion_tokens: Tokens = UNSET
    top_logprobs: Likeliest = UNSET


class Responses(Generation, gc=False, frozen=True):
    """``/v1/responses``."""

    max_output_tokens: Tokens = UNSET
    top_logprobs: Likeliest = UNSET


class Messages(Generation, gc=False, frozen=True):
    """``/v1/messages``, Anthropic's API."""

    max_tokens: Tokens = UNSET
    stop_sequences: StopList = UNSET


ANSWER_FIELDS: Final[Mapping[type[Call], tuple[str, ...]]] = MappingProxyType(
    {
        Chat: ("max_tokens", "max_completion_tokens"),
        Completions: ("max_tokens",),
        Responses: ("max_output_tokens",),
        Messages: ("max_tokens",),
    }
)
"""What says how long an answer may become; the first one is set where the caller says nothing."""
_TYPES: Final[Mapping[Operation, type[Call]]] = {
    Operation.CHAT_COMPLETIONS: Chat,
    Operation.COMPLETIONS: Completions,
    Operation.RESPONSES: Responses,
    Operation.MESSAGES: Messages,
}
DECODERS: Final[Mapping[Operation, msgspec.json.Decoder[Call]]] = MappingProxyType(
    {operation: msgspec.json.Decoder(_TYPES.get(operation, Call)) for operation in Operation}
)
"""Reads the call of an operation from a body."""


def _described(hint: Any) -> str:
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated:
            for note in part.__metadata__:
                if isinstance(note, Meta) and note.description:
                    return note.description
    return ""


def _allowed(kind: type[Call]) -> dict[str, str]:
    return {name: _described(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}


_ALLOWED: Final[Mapping[Operation, Mapping[str, str]]] = {
    operation: _allowed(_TYPES.get(operation, Call)) for operation in Operation
}


def allowed(operation: Operation, field: str) -> str:
    """What may stand in a field, for people; empty for fields that the router does not read."""
    return _ALLOWED[operation].get(field, "")
