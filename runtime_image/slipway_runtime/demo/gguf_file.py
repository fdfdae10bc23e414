"""Read a GGUF file of version 3: metadata, and tensors of 16 and 32-bit floats.

The format is llama.cpp's (``docs/gguf.md`` in the repository ggml): a header, key-value pairs, tensor infos, then the
aligned data. Everything is little-endian; strings and arrays carry their length before them.
"""

import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MAGIC: Final = b"GGUF"
_VERSION: Final = 3
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING: Final = 8
_ARRAY: Final = 9
_DTYPES: Final[dict[int, np.dtype[Any]]] = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
_ALIGNMENT: Final = 32


class GgufError(ValueError):
    """The file is not a GGUF that this reader understands."""


@dataclass(frozen=True)
class GgufFile:
    """What is in a GGUF file."""

    metadata: dict[str, Any]
    tensors: dict[str, Array]
    """By name, with the rows first, as numpy and PyTorch have them."""


def read_gguf(path: Path) -> GgufFile:
    """Read the whole file. Raises GgufError and OSError."""
    try:
        return _read(path.read_bytes())
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise GgufError(f"{path} is damaged, or has tensors of a type other than f16 and f32: {error!r}") from error


def _read(content: bytes) -> GgufFile:
    reader = _Reader(content)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.scalar("I") != _VERSION:
        raise GgufError(f"this is no GGUF file of version {_VERSION}")
    tensor_count, pair_count = reader.scalar("Q"), reader.scalar("Q")
    metadata = {reader.string(): reader.value(reader.scalar("I")) for _ in range(pair_count)}
    infos = [reader.tensor_info() for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    start = -(-reader.position // alignment) * alignment
    place = partial(_tensor, content, start)
    return GgufFile(metadata, {name: place(shape, kind, offset) for name, shape, kind, offset in infos})


def _tensor(content: bytes, start: int, shape: tuple[int, ...], kind: int, offset: int) -> Array:
    count = int(np.prod(shape))
    values: Array = np.frombuffer(content, _DTYPES[kind], count, start + offset)
    return values.reshape(shape)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def take(self, size: int) -> bytes:
        piece = self._content[self.position : self.position + size]
        self.position += size
        return piece

    def scalar(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def string(self) -> str:
        return self.take(self.scalar("Q")).decode()

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            inner, count = self.scalar("I"), self.scalar("Q")
            return [self.value(inner) for _ in range(count)]
        return self.scalar(_SCALARS[kind])

    def tensor_info(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string()
        dimensions = [self.scalar("Q") for _ in range(self.scalar("I"))]
        return name, tuple(reversed(dimensions)), self.scalar("I"), self.scalar("Q")
