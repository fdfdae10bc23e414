"""`slipway version`."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version


def run(arguments: Sequence[str]) -> int:
    """Print the version of this installation."""
    argparse.ArgumentParser(prog="slipway version", description="Print the version.").parse_args(arguments)
    print(f"slipway {version('slipway')}")
    return 0
