"""The environment of the heavy engines (PyTorch, vLLM, diffusers): made once, outside the checkout, by its lock file.

``python -m tests.engines_environment`` makes it unless it is there, and prints its interpreter.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from tests.cluster.paths import Paths, locked
from tests.cluster.shell import run

ROOT: Final = Path(__file__).parent.parent
LOCK: Final = ROOT / "requirements" / "engines.txt"
_KEPT: Final = 2
_INSTALL_SECONDS: Final = 1800


def python() -> Path:
    """The interpreter of the environment, which is made if it is missing: minutes, gigabytes."""
    folder = Paths.from_environment(os.environ).cache / "engines"
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = folder / digest
    with locked(folder / "lock"):
        if not (environment / "complete").exists():
            shutil.rmtree(environment, ignore_errors=True)
            _make(environment)
            _prune(folder)
        # The newest by this is the one in use.
        (environment / "complete").touch()
    return environment / "bin" / "python"


def import_path(*parts: str) -> dict[str, str]:
    """The variable by which that interpreter finds this checkout's packages; ``parts`` are folders of the checkout."""
    return {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in parts or ("crds", "runtime_image"))}


def _make(environment: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    run([uv, "venv", "--quiet", "--python", sys.executable, environment], timeout=_INSTALL_SECONDS)
    interpreter = str(environment / "bin" / "python")
    locked_only = ["--no-deps", "--require-hashes", "--requirement", str(LOCK)]
    run([uv, "pip", "install", "--quiet", "--python", interpreter, *locked_only], timeout=_INSTALL_SECONDS)


def _prune(folder: Path) -> None:
    marks = sorted(folder.glob("*/complete"), key=lambda mark: mark.stat().st_mtime)
    for mark in marks[: -_KEPT + 1]:
        shutil.rmtree(mark.parent)


if __name__ == "__main__":
    print(python())
