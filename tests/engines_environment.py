"""The environment of the heavy engines (PyTorch, vLLM, diffusers).

``python -m tests.engines_environment`` makes it unless it is there, and prints its interpreter.
"""

import os
from pathlib import Path

from tests.locked_environments import ROOT, LockedEnvironment


def python() -> Path:
    """The interpreter of the environment, which is made if it is missing: minutes, gigabytes."""
    return LockedEnvironment("engines").python()


def import_path(*parts: str) -> dict[str, str]:
    """The variable by which that interpreter finds this checkout's packages; ``parts`` are folders of the checkout."""
    return {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in parts or ("crds", "runtime_image"))}


if __name__ == "__main__":
    print(python())
