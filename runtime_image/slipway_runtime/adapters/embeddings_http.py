"""``POST /v1/embeddings``: reading the input, writing the vectors."""

import base64
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from slipway_runtime.domain.openai import ApiError
from slipway_runtime.domain.text_inputs import Text

MAX_INPUTS = 2048
Vector = TypeVar("Vector")


def read_texts(body: dict[str, Any]) -> list[Text]:
    """The inputs: a string, a list of strings, token ids, or a list of token id lists. Raises ApiError."""
    raw = body.get("input")
    if isinstance(raw, str) or _are_tokens(raw):
        raw = [raw]
    if not isinstance(raw, list) or not raw:
        raise ApiError(
            400, "input must be a string, a list of strings, or token ids; none of them empty", param="input"
        )
    if len(raw) > MAX_INPUTS:
        raise ApiError(400, f"input has {len(raw)} entries; send at most {MAX_INPUTS} at once", param="input")
    for index, entry in enumerate(raw):
        if not (isinstance(entry, str) and entry) and not _are_tokens(entry):
            message = f"input[{index}] must be a string or a list of token ids, and not empty"
            raise ApiError(400, message, param=f"input[{index}]")
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise ApiError(400, "encoding_format must be float or base64", param="encoding_format")
    return raw


def pack_floats(vector: Sequence[float]) -> bytes:
    """``vector`` as little-endian float32."""
    return struct.pack(f"<{len(vector)}f", *vector)


def embeddings_body(
    model: str,
    vectors: Sequence[Vector],
    usage: dict[str, int],
    encoding_format: object,
    to_bytes: Callable[[Vector], bytes],
) -> dict[str, Any]:
    """OpenAI's list object. ``to_bytes`` gives a vector as little-endian float32, for the format base64."""

    def encode(vector: Vector) -> Vector | str:
        return base64.b64encode(to_bytes(vector)).decode() if encoding_format == "base64" else vector

    data = [{"object": "embedding", "index": i, "embedding": encode(vector)} for i, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int and item >= 0 for item in value)
