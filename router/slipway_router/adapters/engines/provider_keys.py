"""Keys of providers, one file each, as Kubernetes mounts a Secret."""

import logging
import os
import re
from pathlib import Path
from typing import Final

_USABLE: Final = re.compile(r"[!-~]{1,8192}")
"""What a header field can carry."""
_MOST_BYTES: Final = 16_384

_log = logging.getLogger(__name__)
_Mark = tuple[int, int, int]
"""Changes when a file is written or replaced."""


class ProviderKeyFiles:
    """Looks keys up by file name. A changed file counts from the next request on: kubelets swap whole folders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Mark, str | None]] = {}

    def __call__(self, name: str) -> str | None:
        """The key in the file ``name``; None if there is no such file or no key in it."""
        try:
            seen = os.stat(self._folder / name)  # noqa: PTH116 - asked on every request
            mark = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
            known = self._known.get(name)
            if known is None or known[0] != mark:
                known = self._known[name] = (mark, self._read(name))
        except OSError:
            self._known.pop(name, None)
            return None
        return known[1]

    def _read(self, name: str) -> str | None:
        with (self._folder / name).open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace").strip()
        if _USABLE.fullmatch(text):
            return text
        _log.warning("the provider key %s is not usable: write printable ASCII characters without blanks", name)
        return None
