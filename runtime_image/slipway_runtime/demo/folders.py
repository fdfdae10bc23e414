"""Folders that appear complete or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path


def write_once(target: Path, marker: Path, write: Callable[[Path], None]) -> Path:
    """Return the folder ``target``, filled by ``write`` in a folder beside it unless it is complete already.

    It is complete when it has the file ``marker`` (relative to it). Several processes may ask for the same folder at
    the same time: whoever comes second keeps the first one's. Raises OSError when it cannot be written.
    """
    if (target / marker).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        draft = Path(scratch) / target.name
        draft.mkdir()
        write(draft)
        try:
            draft.rename(target)
        except OSError:
            if not (target / marker).is_file():
                raise
    return target
