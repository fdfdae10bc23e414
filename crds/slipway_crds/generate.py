"""Writes what follows from the models: ``python -m slipway_crds.generate crds|docs FOLDER``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from slipway_crds.documents import KINDS
from slipway_crds.reference import reference_page
from slipway_crds.schema import custom_resource_definition

_HEADER: Final = "# Generated from the models in slipway_crds by `make generate`; edits are lost.\n"


def rendered_crds() -> dict[str, str]:
    """File name → YAML text of every CRD."""
    return {
        f"{kind.plural}.yaml": _HEADER + yaml.safe_dump(custom_resource_definition(kind), sort_keys=False, width=120)
        for kind in KINDS.values()
    }


def rendered_docs() -> dict[str, str]:
    """File name → Markdown text of every reference page."""
    return {f"{kind.kind_name.lower()}.md": reference_page(kind) for kind in KINDS.values()}


_WHAT: Final = {"crds": rendered_crds, "docs": rendered_docs}


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(prog="slipway_crds.generate", description="Write CRDs or their reference pages.")
    parser.add_argument("what", choices=sorted(_WHAT))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    arguments = parser.parse_args(argv)
    rendered = _WHAT[arguments.what]()
    stale = [name for name, text in rendered.items() if _read(arguments.folder / name) != text]
    if arguments.check:
        for name in stale:
            sys.stderr.write(f"{arguments.folder / name} differs from the models; run `make generate`\n")
        return 1 if stale else 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, text in rendered.items():
        (arguments.folder / name).write_text(text)
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
