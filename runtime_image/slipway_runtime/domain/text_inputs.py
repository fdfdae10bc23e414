"""What requests give to text models, whatever their API."""

from dataclasses import dataclass
from enum import StrEnum

Text = str | list[int]
"""One text, or the ids of its tokens."""
Input = Text | tuple[str, str]
"""One text, or a pair of them for a model that compares."""


class Direction(StrEnum):
    """Which end is cut off."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True)
class TokenizingOptions:
    """How to make token ids of texts."""

    truncate: bool = False
    """Whether to cut what is longer than the model takes, instead of refusing it."""
    direction: Direction = Direction.RIGHT
    prompt_name: str | None = None
    """Which of the model's prompts to put before each text; None is its default."""
    by_token: bool = False
    """Whether a vector for each token is wanted."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a text."""

    id: int
    text: str
    special: bool = True
    start: int | None = None
    """First byte in the text; None for a special token."""
    stop: int | None = None
    """The byte behind the last."""
