"""Files that are made from models: written, or with ``--check`` compared with what is there."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def generator(program: str) -> argparse.ArgumentParser:
    """The command line of a generator, with its option ``--check``; what it writes to is the caller's to add."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    return parser


def keep(files: Mapping[Path, str], made_of: str, *, check: bool) -> int:
    """Write the texts; returns the exit status.

    Args:
        files: path → text. Folders are made.
        made_of: what messages call the source of the texts.
        check: write nothing; the exit status is 1 when a file differs.
    """
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            sys.stderr.write(f"{path} differs from {made_of}; run `make generate`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return 1 if stale and check else 0


def keep_file(program: str, text: str, made_of: str, argv: Sequence[str] | None) -> int:
    """Do what the command line ``FILE [--check]`` says with the text; returns the exit status."""
    parser = generator(program)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args(argv)
    return keep({arguments.file: text}, made_of, check=arguments.check)
