"""`slipway keys`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from slipway_local.adapters.key_files import KeyFiles
from slipway_local.app.commands.options import add_state_dir
from slipway_local.domain.places import KEYS_FOLDER


def run(arguments: Sequence[str]) -> int:
    """List the keys that `slipway up` made, or print one."""
    parser = argparse.ArgumentParser(
        prog="slipway keys",
        description="The API keys that `slipway up` made and keeps on this machine.",
        epilog='Example: export SLIPWAY_API_KEY="$(slipway keys show demo)"',
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="names of the keys")
    show = actions.add_parser("show", help="print a key")
    show.add_argument("name", metavar="NAME", nargs="?", help="name of the APIKey; may be left out if there is one key")
    for action in (listing, show):
        add_state_dir(action, os.environ, Path.home())
    options = parser.parse_args(arguments)
    files = KeyFiles(options.state_dir / KEYS_FOLDER)
    if options.action == "list":
        print("".join(f"{name}\n" for name in files.names()), end="")
        return 0
    return _show(files, options.name)


def _show(files: KeyFiles, name: str | None) -> int:
    names = files.names()
    known = f"there are: {', '.join(names)}" if names else "none yet; `slipway up FILE` makes one"
    if name is None and len(names) != 1:
        sys.stderr.write(f"slipway keys show: name one of the keys; {known}\n")
        return 2
    try:
        key = files.get(name or names[0])
    except ValueError as error:
        sys.stderr.write(f"slipway keys show: {error}\n")
        return 2
    if key is None:
        sys.stderr.write(f"slipway keys show: no key {name}; {known}\n")
        return 1
    print(key)
    return 0
