"""Writes what follows from the models: ``python -m slipway_crds.generate crds|docs FOLDER``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from slipway_crds.documents import KINDS
from slipway_crds.generated_files import generator, keep
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
    parser = generator("slipway_crds.generate")
    parser.add_argument("what", choices=sorted(_WHAT))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args(argv)
    files = {arguments.folder / name: text for name, text in _WHAT[arguments.what]().items()}
    return keep(files, "the models", check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())
