"""`slipway validate`."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from slipway_crds.documents import DocumentError
from slipway_local.adapters.yaml_files import read_resources


def run(arguments: Sequence[str]) -> int:
    """Check every document; 0 if all are right, 2 if one is not."""
    parser = argparse.ArgumentParser(
        prog="slipway validate",
        description="Check ModelDeployments, APIKeys and ModelRoutes, as the API server would.",
        epilog="Exit codes: 0 all are right, 2 something is wrong.",
    )
    parser.add_argument("paths", metavar="FILE", nargs="+", type=Path, help="YAML file, or folder of YAML files")
    paths: list[Path] = parser.parse_args(arguments).paths
    wrong = False
    for path in paths:
        try:
            kinds = Counter(resource.kind for resource in read_resources([path]))
        except DocumentError as error:
            sys.stderr.write(f"{error}\n")
            wrong = True
        else:
            print(f"{path}: {', '.join(f'{kind} {count}' for kind, count in kinds.items()) or 'no documents'}")
    return 2 if wrong else 0
