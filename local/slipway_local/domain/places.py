"""Folders of local mode, after the XDG base directory specification."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

STATE_DIR_VARIABLE: Final = "SLIPWAY_STATE_DIR"
KEYS_FOLDER: Final = "keys"
"""API keys, below the state folder."""
API_KEYS_FOLDER: Final = "apikeys"
"""APIKeys that `slipway keys create` made, below the state folder."""
SESSIONS_FILE: Final = "sessions.sqlite"
"""Chat sessions, below the state folder."""
RUN_FOLDER: Final = "run"
"""Logs of runtimes, below the state folder, in a folder per port of the router."""


def state_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Keys and logs: ``$SLIPWAY_STATE_DIR``, else ``slipway`` below ``$XDG_STATE_HOME`` or ``~/.local/state``."""
    if own := environ.get(STATE_DIR_VARIABLE):
        return Path(own).expanduser().absolute()
    return _base(environ, "XDG_STATE_HOME", home / ".local" / "state") / "slipway"


def cache_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Fetched weights: ``slipway`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return _base(environ, "XDG_CACHE_HOME", home / ".cache") / "slipway"


def _base(environ: Mapping[str, str], variable: str, default: Path) -> Path:
    # The specification says that a relative path is to be ignored.
    path = Path(environ.get(variable) or default)
    return path if path.is_absolute() else default
