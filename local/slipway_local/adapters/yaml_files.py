"""The YAML files that `slipway up` and `slipway validate` are given."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from slipway_crds.documents import DocumentError, Resource, load_documents

_SUFFIXES: Final = (".yaml", ".yml")
_MAX_FILES: Final = 500
_DEBOUNCE_MS: Final = 400
_STEP_MS: Final = 50
_LOOK_MS: Final = 2000


def read_resources(paths: Sequence[Path]) -> list[Resource]:
    """Every custom resource in files and in the YAML files right inside folders.

    Raises:
        DocumentError: a path or a document in it cannot be used; the message says which and what to do.
    """
    files = [file for path in paths for file in _files(path)]
    if len(files) > _MAX_FILES:
        raise DocumentError(f"{len(files)} files are too many, {_MAX_FILES} is the most; name fewer")
    return [resource for file in files for resource in load_documents(_read(file), str(file))]


Stamp: TypeAlias = frozenset[tuple[str, int, int, int]]
"""What changes when one of the files is written: path, inode, time in nanoseconds, bytes."""


def stamp(paths: Sequence[Path]) -> Stamp:
    """The stamp of what `read_resources` would read now; files that cannot be seen are left out."""
    found = set()
    for path in paths:
        with contextlib.suppress(OSError, DocumentError):
            for file in _files(path):
                seen = file.stat()
                found.add((str(file), seen.st_ino, seen.st_mtime_ns, seen.st_size))
    return frozenset(found)


async def moments_to_look(paths: Sequence[Path]) -> AsyncIterator[None]:
    """Comes soon after each burst of changes around the files, and every few seconds anyway.

    The latter is for what no notice tells: changes before watching began, and file systems that do not report any.
    """
    # Needed by `slipway up` alone.
    from watchfiles import awatch
    from watchfiles._rust_notify import WatchfilesRustInternalError

    # Editors replace files, so a file is watched by its folder.
    folders = {path if path.is_dir() else path.parent for path in (path.absolute() for path in paths)}
    notices = awatch(
        *folders,
        watch_filter=None,
        recursive=False,
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
    )
    try:
        async for _ in notices:
            yield
    except (OSError, WatchfilesRustInternalError):
        # The system has no watch left to give, or a folder went away: looking now and then has to do.
        while True:
            await asyncio.sleep(_LOOK_MS / 1000)
            yield


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not found:
        raise DocumentError(f"{path}: a folder without files that end in .yaml or .yml")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DocumentError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror})") from None
