"""Options that several commands take."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from slipway_local.adapters.key_files import KeyFiles
from slipway_local.domain.local_keys import API_KEY_VARIABLE
from slipway_local.domain.places import KEYS_FOLDER, STATE_DIR_VARIABLE, state_dir

DEFAULT_PORT: Final = 8080
URL_VARIABLE: Final = "SLIPWAY_URL"


def add_state_dir(parser: argparse.ArgumentParser, environ: Mapping[str, str], home: Path) -> None:
    """``--state-dir``: where keys and logs are kept."""
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        default=state_dir(environ, home),
        help=f"folder for keys and logs (default: ${STATE_DIR_VARIABLE} or %(default)s)",
    )


def add_router(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """``--url`` and ``--key``: which router to ask."""
    parser.add_argument(
        "--url",
        metavar="URL",
        default=environ.get(URL_VARIABLE, f"http://127.0.0.1:{DEFAULT_PORT}"),
        help=f"the router (default: ${URL_VARIABLE} or %(default)s)",
    )
    parser.add_argument(
        "--key",
        metavar="KEY",
        default=environ.get(API_KEY_VARIABLE),
        help=f"API key (default: ${API_KEY_VARIABLE}, or the one that `slipway up` used last)",
    )


def key_for_router(given: str | None) -> str | None:
    """The key ``given`` or, without one, the first of those that `slipway up` last used."""
    if given:
        return given
    files = KeyFiles(state_dir(os.environ, Path.home()) / KEYS_FOLDER)
    name = files.latest()
    return files.get(name) if name is not None else None
