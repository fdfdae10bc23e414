"""text-embeddings-inference's HTTP API: its requests and its errors.

Source of the format: the project's ``router/src/http/types.rs`` and ``server.rs``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.text_inputs import Direction, Input, Text

Body = Mapping[str, Any]


class ErrorType(StrEnum):
    """Its ``error_type``."""

    BACKEND = "Backend"
    OVERLOADED = "Overloaded"
    VALIDATION = "Validation"
    TOKENIZER = "Tokenizer"
    EMPTY = "Empty"


_STATUS: Final[Mapping[ErrorType, int]] = {
    ErrorType.BACKEND: 424,
    ErrorType.OVERLOADED: 429,
    ErrorType.VALIDATION: 422,
    ErrorType.TOKENIZER: 422,
    ErrorType.EMPTY: 400,
}
_BAD_REQUEST, _TOO_LARGE, _TOO_MANY = 400, 413, 429


class TeiError(Exception):
    """A refusal in the shape of text-embeddings-inference."""

    def __init__(
        self, kind: ErrorType, message: str, *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status or _STATUS[kind]
        self.retry_after = retry_after
        """Seconds; None when trying again is no use."""
        self.body: dict[str, str] = {"error": message, "error_type": kind.value}


def from_api_error(error: ApiError) -> TeiError:
    """The same refusal in this API's words."""
    message = str(error)
    match error.status:
        case 429:
            return TeiError(ErrorType.OVERLOADED, "Model is overloaded", retry_after=error.retry_after)
        case 413:
            return TeiError(ErrorType.VALIDATION, message, status=413)
        case 400:
            return TeiError(ErrorType.VALIDATION, f"Input validation error: {message}")
        case _:
            return TeiError(ErrorType.BACKEND, f"Backend error: {message}")


@dataclass(frozen=True)
class EmbedRequest:
    """Of ``/embed``, ``/embed_all`` and ``/embed_sparse``."""

    inputs: Sequence[Text]
    truncate: bool | None
    direction: Direction
    prompt_name: str | None
    normalize: bool
    dimensions: int | None


@dataclass(frozen=True)
class PredictRequest:
    """Of ``/predict``; ``single`` is whether the answer is a list of labels, not of such lists."""

    inputs: Sequence[Input]
    single: bool
    truncate: bool | None
    direction: Direction
    raw_scores: bool


@dataclass(frozen=True)
class RerankRequest:
    """Of ``/rerank``."""

    query: str
    texts: Sequence[str]
    truncate: bool | None
    direction: Direction
    raw_scores: bool
    return_text: bool


def read_embed(body: Body, most: int) -> EmbedRequest:
    """Raises TeiError. ``most`` is how many inputs there may be."""
    return EmbedRequest(
        inputs=read_texts(body, "inputs", most),
        truncate=_flag(body, "truncate", None),
        direction=_direction(body),
        prompt_name=_text_or_none(body, "prompt_name"),
        normalize=_flag(body, "normalize", True) is True,
        dimensions=_dimensions(body),
    )


def read_similarity(body: Body, most: int) -> EmbedRequest:
    """The source sentence and behind it those to compare it with. Raises TeiError."""
    inputs, parameters = body.get("inputs"), body.get("parameters") or {}
    if not isinstance(inputs, Mapping) or not isinstance(parameters, Mapping):
        raise _malformed("`inputs` must be an object with `source_sentence` and `sentences`")
    source = _required_text(inputs, "source_sentence")
    sentences = _strings(inputs, "sentences", most - 1)
    return EmbedRequest(
        inputs=[source, *sentences],
        truncate=_flag(parameters, "truncate", None),
        direction=_direction(parameters),
        prompt_name=_text_or_none(parameters, "prompt_name"),
        normalize=True,
        dimensions=None,
    )


def read_predict(body: Body, most: int) -> PredictRequest:
    """Raises TeiError."""
    raw = body.get("inputs")
    single = isinstance(raw, str) or (isinstance(raw, list) and bool(raw) and isinstance(raw[0], str))
    entries = [raw] if single else raw
    if not isinstance(entries, list) or not entries:
        raise _malformed("`inputs` must be a string, a pair of strings, or a list of lists of one or two strings")
    _check_size(len(entries), most)
    return PredictRequest(
        inputs=[_sequence(entry) for entry in entries],
        single=single,
        truncate=_flag(body, "truncate", None),
        direction=_direction(body),
        raw_scores=_flag(body, "raw_scores", False) is True,
    )


def read_rerank(body: Body, most: int) -> RerankRequest:
    """Raises TeiError."""
    return RerankRequest(
        query=_required_text(body, "query"),
        texts=_strings(body, "texts", most),
        truncate=_flag(body, "truncate", None),
        direction=_direction(body),
        raw_scores=_flag(body, "raw_scores", False) is True,
        return_text=_flag(body, "return_text", False) is True,
    )


def read_texts(body: Body, name: str, most: int) -> list[Text]:
    """The texts or token ids under ``name``: one, or a list of them. Raises TeiError."""
    raw = body.get(name)
    entries = [raw] if isinstance(raw, str) or _are_ids(raw) else raw
    if not isinstance(entries, list):
        raise _malformed(f"`{name}` must be a string, token ids, or a list of such")
    if not entries or any(entry in ("", []) for entry in entries):
        raise TeiError(ErrorType.EMPTY, f"`{name}` cannot be empty")
    if not all(isinstance(entry, str) or _are_ids(entry) for entry in entries):
        raise _malformed(f"`{name}` must be a string, token ids, or a list of such")
    _check_size(len(entries), most)
    return entries


def read_ids(body: Body, most: int) -> list[list[int]]:
    """The token ids of ``/decode``: one list, or a list of lists. Raises TeiError."""
    found: list[list[int]] = []
    for entry in read_texts(body, "ids", most):
        if isinstance(entry, str):
            raise _malformed("`ids` must be token ids, or a list of such lists")
        found.append(entry)
    return found


def read_tokenize(body: Body, most: int) -> tuple[list[str], bool, str | None]:
    """The texts of ``/tokenize``, whether to add special tokens, and the prompt's name. Raises TeiError."""
    texts: list[str] = []
    for entry in read_texts(body, "inputs", most):
        if not isinstance(entry, str):
            raise _malformed("`inputs` must be a string or a list of strings")
        texts.append(entry)
    return texts, _flag(body, "add_special_tokens", True) is True, _text_or_none(body, "prompt_name")


def skips_special_tokens(body: Body) -> bool:
    """Of ``/decode``. Raises TeiError."""
    return _flag(body, "skip_special_tokens", True) is True


def _sequence(entry: object) -> Input:
    match entry:
        case str() if entry:
            return entry
        case [str(text)] if text:
            return text
        case [str(first), str(second)] if first or second:
            return (first, second)
        case "" | [""] | ["", ""]:
            raise TeiError(ErrorType.EMPTY, "`inputs` cannot be empty")
        case _:
            raise _malformed("`inputs` must be a string, a pair of strings, or a list of lists of one or two strings")


def _strings(body: Body, name: str, most: int) -> list[str]:
    entries = body.get(name)
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _malformed(f"`{name}` must be a list of strings")
    if not entries:
        raise TeiError(ErrorType.EMPTY, f"`{name}` cannot be empty")
    _check_size(len(entries), most)
    return entries


def _check_size(count: int, most: int) -> None:
    if count > most:
        raise TeiError(ErrorType.VALIDATION, f"batch size {count} > maximum allowed batch size {most}")


def _required_text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _malformed(f"`{name}` must be a string")
    return value


def _text_or_none(body: Body, name: str) -> str | None:
    return None if body.get(name) is None else _required_text(body, name)


def _flag(body: Body, name: str, default: bool | None) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _malformed(f"`{name}` must be true or false")
    return default if value is None else value


def _direction(body: Body) -> Direction:
    value = body.get("truncation_direction", "right")
    if value not in ("left", "Left", "right", "Right"):
        raise _malformed("`truncation_direction` must be left or right")
    return Direction(value.lower())


def _dimensions(body: Body) -> int | None:
    value = body.get("dimensions")
    if value is not None and type(value) is not int:
        raise _malformed("`dimensions` must be a whole number")
    if value is not None and value < 1:
        raise TeiError(ErrorType.VALIDATION, "Input validation error: `dimensions` should be positive")
    return value


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int and item >= 0 for item in value)


def _malformed(message: str) -> TeiError:
    return TeiError(ErrorType.VALIDATION, f"Failed to deserialize the JSON body into the target type: {message}")
