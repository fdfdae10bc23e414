"""Reads the header of a GGUF file: the format is described in ``docs/gguf.md`` of the repository ggml."""

import struct
from pathlib import Path
from typing import BinaryIO, Final

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.gguf import GgufHeader

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_LFS_POINTER: Final = b"version https://git-lfs"
_BUFFER: Final = 1024 * 1024
_BEGINNING: Final = 64


def read_header(path: Path) -> GgufHeader:
    """The header of the file at ``path``. Raises RuntimeFailure (WeightsInvalid) when it is not a GGUF file."""
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            return _Reader(path, file).header()
    except OSError as error:
        raise RuntimeFailure(Reason.WEIGHTS_NOT_FOUND, f"{path}: {error.strerror}") from error
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise _invalid(path, "its header is cut short or damaged; fetch it again") from error


class _Reader:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = path.stat().st_size

    def header(self) -> GgufHeader:
        beginning = self._file.read(_BEGINNING)
        if not beginning.startswith(_MAGIC):
            raise _invalid(self._path, _what_it_is(beginning))
        self._file.seek(len(_MAGIC))
        version = self._scalar("<I")
        if version not in _VERSIONS:
            raise _invalid(self._path, f"it has version {version} of the format, llama.cpp reads 2 and 3")
        tensor_count, pair_count = self._scalar("<Q"), self._scalar("<Q")
        metadata: dict[str, str | int | float | bool] = {}
        for _ in range(pair_count):
            key = self._string()
            value = self._value(self._scalar("<I"))
            if value is not None:
                metadata[key] = value
        return GgufHeader(metadata, frozenset(self._tensor_name() for _ in range(tensor_count)))

    def _tensor_name(self) -> str:
        name = self._string()
        dimensions = self._scalar("<I")
        self._take(8 * dimensions + 4 + 8)
        return name

    def _value(self, kind: int) -> str | int | float | bool | None:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._scalar(_SCALARS[kind])
        self._skip_array()
        return None

    def _skip_array(self) -> None:
        inner, count = self._scalar("<I"), self._scalar("<Q")
        if inner in _SCALARS:
            self._take(count * struct.calcsize(_SCALARS[inner]))
            return
        for _ in range(count):
            if inner == _STRING:
                self._take(self._scalar("<Q"))
            else:
                self._value(inner)

    def _string(self) -> str:
        return self._take(self._scalar("<Q")).decode()

    def _scalar(self, code: str) -> int:
        # The values of other types behave alike for all that is done with them here.
        value: int = struct.unpack(code, self._take(struct.calcsize(code)))[0]
        return value

    def _take(self, size: int) -> bytes:
        # A damaged length must not become a demand for memory.
        if size > self._size:
            raise struct.error(f"{size} bytes in a file of {self._size}")
        taken = self._file.read(size)
        if len(taken) != size:
            raise struct.error("the file ends too early")
        return taken


def _what_it_is(beginning: bytes) -> str:
    if beginning.startswith(_LFS_POINTER):
        return "it is a pointer of Git LFS; fetch the file itself, for example with git lfs pull"
    if not beginning:
        return "it is empty"
    return f"it begins with {beginning[:16]!r}, not with {_MAGIC!r}"


def _invalid(path: Path, why: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.WEIGHTS_INVALID, f"{path.name} is not a .gguf file that can be read: {why}")
