"""`slipway crds`."""

import argparse
from collections.abc import Sequence

from slipway_crds.generate import main as generate
from slipway_crds.generate import rendered_crds


def run(arguments: Sequence[str]) -> int:
    """Print or write the custom resource definitions."""
    parser = argparse.ArgumentParser(
        prog="slipway crds",
        description="The custom resource definitions of this version, as YAML.",
        epilog="`slipway crds print | kubectl apply --server-side -f -` installs them.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("print", help="print them as one stream")
    write = actions.add_parser("generate", help="write one file each")
    write.add_argument("folder", metavar="FOLDER", help="where to")
    write.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    options = parser.parse_args(arguments)
    if options.action == "generate":
        return generate(["crds", options.folder, *(["--check"] if options.check else [])])
    print("---\n".join(rendered_crds().values()), end="")
    return 0
