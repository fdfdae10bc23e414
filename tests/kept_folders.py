"""Folders outside the checkout that are made once, keyed by what they are made from; the newest ones stay."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.cluster.paths import locked

_KEPT: Final = 2


def kept_folder(parent: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder ``key`` in ``parent``; ``make`` makes it, from nothing, unless it is there whole."""
    target = parent / key
    with locked(parent / "lock"):
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            make(target)
            _prune(parent)
        # The newest by this is the one in use.
        (target / "complete").touch()
    return target


def _prune(parent: Path) -> None:
    marks = sorted(parent.glob("*/complete"), key=lambda mark: mark.stat().st_mtime)
    for mark in marks[: -_KEPT + 1]:
        shutil.rmtree(mark.parent)
