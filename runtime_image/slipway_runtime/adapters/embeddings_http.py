"""``POST /v1/embeddings``: reading the input, writing the vectors."""

import base64
import struct
from collections.abc import Sequence
from typing import Any

from slipway_runtime.domain.openai import ApiError

MAX_INPUTS = 2048
Text = str | list[int]


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


def embeddings_body(
    model: str, vectors: Sequence[Any], usage: dict[str, int], encoding_format: str | None
) -> dict[str, Any]:
    """OpenAI's list object. ``vectors`` are sequences of floats; base64 is of little-endian float32."""
    encode = _base64 if encoding_format == "base64" else _same
    data = [{"object": "embedding", "index": i, "embedding": encode(vector)} for i, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _same(vector: Any) -> Any:
    return vector


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int and item >= 0 for item in value)
