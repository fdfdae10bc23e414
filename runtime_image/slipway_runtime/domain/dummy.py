"""What the dummy engine answers and how it misbehaves on request: all of it follows from options and request."""

import hashlib
import math
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway_runtime.domain.arguments import EngineOptions
from slipway_runtime.domain.openai import ApiError

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Tokens = Annotated[int, Field(ge=0, le=1_000_000)]
DEFAULT_SLOTS = 256
"""Requests answered at once where the deployment gives no number."""


class DummyOptions(EngineOptions):
    """Arguments of the dummy engine."""

    tokens_per_second: Annotated[float, Field(ge=0)] = 0
    """Speed of a stream; 0 is as fast as it goes."""
    first_token_seconds: Seconds = 0
    """Time before the first token."""
    fail_status: Annotated[int, Field(ge=400, le=599)] | None = None
    """Answer every request with this status: such a model never becomes ready."""
    fail_at_token: Tokens | None = None
    """After so many tokens a stream breaks off, and an answer that is not streamed becomes a 500."""
    load_seconds: Seconds = 0
    """How long loading takes."""
    load_memory_mib: Annotated[int, Field(ge=0)] = 0
    """Memory to fill while loading."""
    load_exit_code: Annotated[int, Field(ge=0, le=255)] = 0
    """If not 0, loading ends with this exit code."""
    crash_after_seconds: Seconds = 0
    """If not 0, the engine ends by itself so long after it was loaded."""
    crash_exit_code: Annotated[int, Field(ge=1, le=255)] = 1
    """The exit code it then ends with."""
    answer_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 16
    """Length of an answer to a request that does not say ``max_tokens``."""
    dimensions: Annotated[int, Field(ge=1, le=8192)] = 8
    """Length of embeddings."""


class DummyRequest(BaseModel):
    """The field ``dummy`` of a request: the same knobs for one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens_per_second: Annotated[float, Field(ge=0)] = 0
    first_token_seconds: Seconds = 0
    fail_at_token: Tokens | None = None
    """After so many tokens a stream breaks off, and an answer that is not streamed becomes a 500."""
    fail_status: Annotated[int, Field(ge=400, le=599)] | None = None
    """Answer with this status at once."""
    memory_mib: Annotated[int, Field(ge=0)] = 0
    """Memory to fill, and to keep until the engine ends."""
    crash_exit_code: Annotated[int, Field(ge=1, le=255)] | None = None
    """The engine ends with this exit code."""


_DEFAULTS: Final = {"tokens_per_second", "first_token_seconds", "fail_at_token", "fail_status"}
"""Knobs that arguments set for every request."""


def parse_knobs(body: dict[str, Any], options: DummyOptions) -> DummyRequest:
    """The knobs in a request; what it leaves out is as ``options`` say. Raises ApiError that names the wrong one."""
    defaults = options.model_dump(include=_DEFAULTS)
    asked = body.get("dummy")
    try:
        return DummyRequest.model_validate({**defaults, **asked} if isinstance(asked, dict) else asked or defaults)
    except ValidationError as error:
        problem = error.errors()[0]
        param = ".".join(["dummy", *map(str, problem["loc"])])
        raise ApiError(400, f"{param}: {problem['msg']}", param=param) from error


def max_tokens(body: dict[str, Any], default: int) -> int:
    """How many tokens a request asks for, ``default`` if it does not say. Raises ApiError."""
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is not None:
            if type(value) is not int or not 0 < value <= 1_000_000:
                raise ApiError(400, f"{name} must be a whole number from 1 to 1000000", param=name)
            return value
    return default


def tokens(count: int) -> Iterator[str]:
    """``tok0``, `` tok1``, … as the pieces of a text: the number in a token is its place in the answer, so that a
    caller who splits the whole text at its spaces sees whether a token is missing, twice, or out of order."""
    for index in range(count):
        yield f" tok{index}" if index else "tok0"


def count_words(content: Any) -> int:
    """Tokens of a prompt, a message or a list of them: its words."""
    if isinstance(content, str):
        return len(content.split())
    if isinstance(content, dict):
        return count_words(content.get("content", content.get("text")))
    return sum(count_words(part) for part in content) if isinstance(content, list) else 0


def embedding(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on ``text`` only."""
    raw = hashlib.shake_256(text.encode()).digest(2 * dimensions)
    values = [int.from_bytes(raw[2 * i : 2 * i + 2], "big") / 32767.5 - 1 for i in range(dimensions)]
    length = math.sqrt(math.fsum(value * value for value in values))
    return [value / length for value in values]
