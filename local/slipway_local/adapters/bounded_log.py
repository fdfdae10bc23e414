"""A log file that cannot fill the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_MAX_BYTES: Final = 5_000_000
_TAIL_BYTES: Final = 16_384


class BoundedLog:
    """Writes to a file; when that has grown too large, it becomes ``NAME.1`` and a new one begins."""

    def __init__(self, path: Path, file: IO[bytes], max_bytes: int) -> None:
        self._path = path
        self._file = file
        self._max_bytes = max_bytes

    def write(self, data: bytes) -> None:
        """Append ``data`` at once."""
        if self._file.tell() + len(data) > self._max_bytes and self._file.tell():
            self._file.close()
            self._file = _begin(self._path)
        self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def bounded_log(path: Path, max_bytes: int = _MAX_BYTES) -> Iterator[BoundedLog]:
    """A log that begins anew at ``path``; an older one is kept as ``NAME.1``. Takes at most twice ``max_bytes``."""
    log = BoundedLog(path, _begin(path), max_bytes)
    try:
        yield log
    finally:
        log.close()


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """The last ``count`` lines that are not empty; none when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    return tuple([line.rstrip() for line in lines if line.strip()][-count:])


def _begin(path: Path) -> IO[bytes]:
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return path.open("wb", buffering=0)
