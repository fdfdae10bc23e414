"""Python environments beside the developer's own: made once from a lock file, outside the checkout, keyed by it."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.paths import Paths
from tests.cluster.shell import run
from tests.kept_folders import kept_folder

ROOT: Final = Path(__file__).parent.parent
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
        return kept_folder(folder, digest, lambda environment: _make(environment, lock)) / "bin" / "python"


def _make(environment: Path, lock: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    run([uv, "venv", "--quiet", "--python", sys.executable, environment], timeout=_INSTALL_SECONDS)
    interpreter = str(environment / "bin" / "python")
    locked_only = ["--no-deps", "--require-hashes", "--requirement", str(lock)]
    run([uv, "pip", "install", "--quiet", "--python", interpreter, *locked_only], timeout=_INSTALL_SECONDS)
