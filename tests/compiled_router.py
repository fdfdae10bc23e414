"""The router with the modules compiled that its image has compiled, as an import path.

``python -m tests.compiled_router`` compiles them unless they are there, and prints the folder; put it first in
``PYTHONPATH``.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from tests.cluster.paths import Paths
from tests.cluster.shell import run
from tests.kept_folders import kept_folder

_ROOT: Final = Path(__file__).parent.parent
_PACKAGES: Final = ("router/slipway_router", "crds/slipway_crds")
_SCRIPT: Final = _ROOT / "router" / "compile.sh"
_COMPILE_SECONDS: Final = 600


def compiled_router() -> Path:
    """A folder with the packages of the router, made if it is missing: a minute of work for a C compiler."""
    return kept_folder(Paths.from_environment(os.environ).cache / "compiled-router", _digest(), _compile)


def _compile(target: Path) -> None:
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, target / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))
    run([_SCRIPT, target, sys.executable], timeout=_COMPILE_SECONDS)


def _digest() -> str:
    files = sorted(path for package in _PACKAGES for path in (_ROOT / package).rglob("*") if path.is_file())
    digest = hashlib.sha256(sys.version.encode())
    for path in (_SCRIPT, *(path for path in files if path.parent.name != "__pycache__")):
        digest.update(f"{path.relative_to(_ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    print(compiled_router())
