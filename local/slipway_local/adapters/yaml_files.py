"""The YAML files that `slipway up` and `slipway validate` are given."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from slipway_crds.documents import DocumentError, Resource, load_documents

_SUFFIXES: Final = (".yaml", ".yml")
_MAX_FILES: Final = 500


def read_resources(paths: Sequence[Path]) -> list[Resource]:
    """Every custom resource in files and in the YAML files right inside folders.

    Raises:
        DocumentError: a path or a document in it cannot be used; the message says which and what to do.
    """
    files = [file for path in paths for file in _files(path)]
    if len(files) > _MAX_FILES:
        raise DocumentError(f"{len(files)} files are too many, {_MAX_FILES} is the most; name fewer")
    return [resource for file in files for resource in load_documents(_read(file), str(file))]


async def changes(paths: Sequence[Path]) -> AsyncIterator[None]:
    """Comes once for each burst of changes to what `read_resources` would read."""
    # Needed by `slipway up` alone.
    from watchfiles import Change, awatch

    wanted = [path.absolute() for path in paths]

    def concerns(_: Change, changed: str) -> bool:
        path = Path(changed)
        return path in wanted or (path.suffix in _SUFFIXES and path.parent in wanted)

    # Editors replace files, so a file is watched by its folder.
    folders = {path if path.is_dir() else path.parent for path in wanted}
    async for _ in awatch(*folders, watch_filter=concerns, recursive=False, debounce=400, step=50):
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
