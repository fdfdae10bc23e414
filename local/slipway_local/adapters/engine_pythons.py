"""Python interpreters of other environments, which run engines that this one does not have."""

import json
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_OWN_PACKAGES: Final = ("slipway_crds", "slipway_runtime", "slipway_local")
_LOOK_SECONDS: Final = 60.0
_LOOK: Final = (
    "import json, sys; from importlib.util import find_spec; "
    "print(json.dumps([name for name in sys.argv[1:] if find_spec(name) is not None]))"
)


class EnginePythonError(ValueError):
    """An interpreter cannot be used; the message says why."""


@dataclass(frozen=True)
class EnginePython:
    """An interpreter, and what it was found to have."""

    path: Path
    modules: frozenset[str]
    """Of the engines' modules, those that it can import."""
    import_path: tuple[str, ...]
    """Folders by which it finds Slipway's packages; none when it has them itself."""


def look_into(path: str, modules: Iterable[str]) -> EnginePython:
    """The interpreter at ``path``. It is asked which of ``modules`` it finds; nothing is imported.

    Raises:
        EnginePythonError: it does not answer, or finds none of Slipway's packages.
    """
    python = Path(path).expanduser().absolute()
    wanted = [*modules, *_OWN_PACKAGES]
    try:
        answer = subprocess.run(
            [python, "-P", "-c", _LOOK, *wanted], capture_output=True, text=True, timeout=_LOOK_SECONDS, check=True
        )
        found = frozenset(json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EnginePythonError(f"{path} is not a Python interpreter that works: {error}") from None
    own = () if found.issuperset(_OWN_PACKAGES) else _source_folders()
    if own is None:
        raise EnginePythonError(f"{path} has no slipway; install it there: {path} -m pip install slipway")
    return EnginePython(python, found - set(_OWN_PACKAGES), own)


def _source_folders() -> tuple[str, ...] | None:
    """The folders of a source checkout; None when Slipway is installed.

    A folder of installed packages is of no use to another interpreter: it holds everybody's, built for this one.
    """
    installed = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    specs = [find_spec(name) for name in _OWN_PACKAGES]
    origins = [spec.origin for spec in specs if spec is not None and spec.origin is not None]
    folders = tuple(dict.fromkeys(str(Path(origin).parent.parent) for origin in origins))
    return None if installed & set(folders) else folders
