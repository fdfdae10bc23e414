"""API keys that outlive `slipway up`: one file each, readable by their owner only."""

import os
import re
import tempfile
import time
from pathlib import Path
from typing import Final

from slipway_crds.keys import new_key
from slipway_local.domain.local_keys import checked_key

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class KeyFiles:
    """Keys below one folder, by the name of their APIKey."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Names of the keys there are."""
        return sorted(path.name for path in self._folder.glob("[!.]*")) if self._folder.is_dir() else []

    def latest(self) -> str | None:
        """Name of the key that was made or asked for last; None if there is none."""
        return max(self.names(), key=lambda name: (self._folder / name).stat().st_mtime_ns, default=None)

    def get(self, name: str) -> str | None:
        """The key, if there is one.

        Raises:
            ValueError: the name is none, or the file holds something else than a key.
        """
        path = self._path(name)
        return checked_key(path.read_text().strip(), str(path)) if path.exists() else None

    def get_or_make(self, name: str) -> str:
        """The key, made now if there is none; two processes that make it at once get the same.

        Raises:
            ValueError: the name is none, or the file holds something else than a key.
        """
        path = self._path(name)
        if not path.exists():
            self._make(path)
        key = checked_key(path.read_text().strip(), str(path))
        # The kernel's own stamps are too coarse to tell which of two was asked for last.
        now = time.time_ns()
        os.utime(path, ns=(now, now))
        return key

    def _make(self, path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A file made by mkstemp is its owner's alone (0600); a link to it appears whole or not at all.
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(new_key() + "\n")
            os.link(temporary, path)
        except FileExistsError:
            pass  # Another process was first; its key counts.
        finally:
            Path(temporary).unlink()

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} cannot be the name of an APIKey; write lower-case letters, digits, '-' and '.'")
        return self._folder / name
