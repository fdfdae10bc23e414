"""Python environments beside the developer's own: made once from a lock file, outside the checkout, keyed by it."""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.paths import Paths, locked
from tests.cluster.shell import run

ROOT: Final = Path(__file__).parent.parent
_KEPT: Final = 2
_INSTALL_SECONDS: Final = 1800


@dataclass(frozen=True)
class LockedEnvironment:
    """The packages of ``requirements/NAME.txt``."""

    name: str

    def python(self) -> Path:
        """The interpreter of the environment, which is made if it is missing: that can take minutes and gigabytes."""
        lock = ROOT / "requirements" / f"{self.name}.txt"
        folder = Paths.from_environment(os.environ).cache / self.name
        digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
        environment = folder / digest
        with locked(folder / "lock"):
            if not (environment / "complete").exists():
                shutil.rmtree(environment, ignore_errors=True)
                _make(environment, lock)
                _prune(folder)
            # The newest by this is the one in use.
            (environment / "complete").touch()
        return environment / "bin" / "python"


def _make(environment: Path, lock: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    run([uv, "venv", "--quiet", "--python", sys.executable, environment], timeout=_INSTALL_SECONDS)
    interpreter = str(environment / "bin" / "python")
    locked_only = ["--no-deps", "--require-hashes", "--requirement", str(lock)]
    run([uv, "pip", "install", "--quiet", "--python", interpreter, *locked_only], timeout=_INSTALL_SECONDS)


def _prune(folder: Path) -> None:
    marks = sorted(folder.glob("*/complete"), key=lambda mark: mark.stat().st_mtime)
    for mark in marks[: -_KEPT + 1]:
        shutil.rmtree(mark.parent)
