"""API keys that outlive `slipway up`: one file each, readable by their owner only."""

import contextlib
import hashlib
import os
import re
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from slipway_crds.api_key import KeyHash
from slipway_crds.keys import hash_key, new_key
from slipway_local.domain.local_keys import checked_key

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

KeyStamp: TypeAlias = frozenset[tuple[str, str]]
"""Names and hashes of what the files hold. Inodes would not do, a new file may get that of the one it replaces, nor
would times, which change when a key is asked for."""


class KeyFiles:
    """Keys below one folder, by the name of their APIKey."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Names of the keys there are."""
        return sorted(path.name for path in self._folder.glob("[!.]*")) if self._folder.is_dir() else []

    def latest(self) -> str | None:
        """Name of the key that was made or asked for last; None if there is none."""
        asked: dict[str, int] = {}
        for name in self.names():
            with contextlib.suppress(FileNotFoundError):  # removed just now
                asked[name] = (self._folder / name).stat().st_mtime_ns
        return max(asked, key=asked.__getitem__, default=None)

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

    def replace(self, name: str, overlap: float) -> str:
        """Another key in place of the one there is, which stays valid for ``overlap`` seconds.

        Raises:
            ValueError: the name is none, or the file holds something else than a key.
        """
        path, old, key = self._path(name), self.get(name), new_key()
        if old is not None and overlap > 0:
            expires = datetime.fromtimestamp(time.time() + overlap, UTC)
            previous = KeyHash(sha256=hash_key(old), expires_at=expires)
            self._written(previous.model_dump_json()).replace(self._previous(name))
        else:
            self._previous(name).unlink(missing_ok=True)
        self._written(key + "\n").replace(path)
        return key

    def previous(self, name: str) -> KeyHash | None:
        """The key before the last `replace`, until it expires."""
        try:
            return KeyHash.model_validate_json(self._previous(name).read_text())
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Forget the key."""
        self._path(name).unlink(missing_ok=True)
        self._previous(name).unlink(missing_ok=True)

    def check(self, name: str) -> None:
        """Raises ValueError when an APIKey cannot have the name."""
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} cannot be the name of an APIKey; write lower-case letters, digits, '-' and '.'")

    def stamp(self) -> KeyStamp:
        """What changes when a key is made, replaced or removed."""
        found = set()
        for name in self.names():
            with contextlib.suppress(OSError):  # removed just now, or none that could be read
                found.add((name, hashlib.sha256((self._folder / name).read_bytes()).hexdigest()))
        return frozenset(found)

    def _make(self, path: Path) -> None:
        temporary = self._written(new_key() + "\n")
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass  # Another process was first; its key counts.
        finally:
            temporary.unlink()

    def _written(self, text: str) -> Path:
        """A file of its owner's alone (0600, by mkstemp), to be linked or renamed: it appears whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        return Path(temporary)

    def _path(self, name: str) -> Path:
        self.check(name)
        return self._folder / name

    def _previous(self, name: str) -> Path:
        self.check(name)
        return self._folder / f".{name}.previous"
