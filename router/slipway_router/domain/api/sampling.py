"""Fields of every body that asks for text, with the ranges that `calls` checks."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from slipway_router.domain.api.entries import Open
from slipway_router.domain.requests.calls import MAX_CHOICES, MAX_STOPS

_INT32 = 2**31 - 1
_INT64 = 2**63 - 1


def _whole(value: Any) -> Any:
    """In JSON, ``1.0`` is a whole number, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Stands behind the bounds of a whole number: before them, it would hide them from the schema."""
Whole = Annotated[int, WHOLE]
Tokens = Annotated[
    int, Field(ge=1, le=_INT64, description="Most tokens of the answer. The model's own limit holds, too."), WHOLE
]
Share = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Repetition = Annotated[float, Field(gt=0, le=2)]
Stops = Annotated[str | Annotated[list[str], Field(max_length=MAX_STOPS)], Field(description="Where the text ends.")]
Choices = Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE]


class Sampling(Open):
    """How the next token is chosen."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=-1, le=_INT32), WHOLE] | None = None
    min_p: Share | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Repetition | None = Field(None, description="vLLM's name of `repeat_penalty`.")
    repeat_penalty: Repetition | None = None
    seed: Annotated[int, Field(ge=-_INT64 - 1, le=_INT64), WHOLE] | None = None
