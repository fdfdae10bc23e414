"""Durations as people write them in YAML: ``500ms``, ``20s``, ``15m``, ``1h30m``."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

DURATION_PATTERN: Final = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
_PARTS: Final = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$", re.ASCII)
_SECONDS: Final = (3600.0, 60.0, 1.0, 0.001)
_MAX_LENGTH: Final = 16


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``1h30m``, ``15m``, ``20s`` or ``500ms``.

    Raises:
        ValueError: the text is not such a duration; the message says what to write.
    """
    match = _PARTS.fullmatch(text)
    if not text or len(text) > _MAX_LENGTH or match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 500ms, 20s, 15m or 1h30m")
    return sum(int(part) * factor for part, factor in zip(match.groups(), _SECONDS, strict=True) if part)


def _check(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[
    str,
    AfterValidator(_check),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "minLength": 2, "maxLength": _MAX_LENGTH}),
]
"""A duration string; ``parse_duration`` gives its seconds."""
