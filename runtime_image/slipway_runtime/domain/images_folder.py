"""The layout of a diffusers pipeline: what of it is needed, and whether it may be loaded, told before it is read."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure

INDEX: Final = "model_index.json"
_PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SAFE: Final = ".safetensors"
_SIDES: Final = (".json", ".txt", ".model")
_VARIANT: Final = re.compile(r"\.(?P<variant>\w+?)(-\d+-of-\d+)?\.\w+$")
"""``fp16`` in ``model.fp16.safetensors`` and ``model.fp16-00001-of-00002.safetensors``."""


def pipeline_files(names: Iterable[str], variant: str | None, *, allow_pickle: bool) -> tuple[str, ...]:
    """What to fetch of a repository with ``names``: of each component one form of its weights, and the small files.

    Repositories hold the same weights several times: in one file beside the folders, as pickles, halved, for other
    libraries. Raises RuntimeFailure (WeightsInvalid).
    """
    folders: dict[str, list[str]] = {}
    for name in sorted(names):
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    if INDEX not in folders.get("", ()):
        raise _invalid(f"the repository has no {INDEX}; the diffusers engine needs the layout of diffusers")
    chosen = [INDEX]
    for folder, own in folders.items():
        if folder:
            chosen += [name for name in own if name.endswith(_SIDES)]
            chosen += _weights(folder, own, variant, allow_pickle=allow_pickle)
    return tuple(chosen)


def check_folder(index: object, files: Iterable[str], *, allow_pickle: bool) -> None:
    """Check ``index``, the parsed ``model_index.json``, against ``files`` with paths from the folder.

    Raises RuntimeFailure (WeightsInvalid) for what is not a pipeline, brings its own code, or has only pickled weights.
    """
    if not isinstance(index, dict) or "_class_name" not in index:
        raise _invalid(f"{INDEX} names no pipeline class; the folder must have the layout of diffusers")
    if not isinstance(index["_class_name"], str):
        raise _invalid(f"{INDEX} asks for code of its own ({index['_class_name']}), which is not run")
    names = sorted(files)
    for component in components(index):
        own = [name for name in names if name.startswith(f"{component}/")]
        if not own:
            raise _invalid(f"{INDEX} names the component {component}, but the folder has no files of it")
        _weights(component, own, None, allow_pickle=allow_pickle)


def components(index: Mapping[str, Any]) -> list[str]:
    """The parts of a pipeline that have a folder of their own."""
    return [
        name
        for name, value in index.items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and value[0] is not None
    ]


def _weights(component: str, own: list[str], variant: str | None, *, allow_pickle: bool) -> list[str]:
    safe = [name for name in own if name.endswith(_SAFE)]
    pickles = [name for name in own if name.endswith(_PICKLES)]
    if pickles and not safe and not allow_pickle:
        raise _invalid(
            f"{component} has its weights in pickle format only ({pickles[0]}), which can carry code; take a "
            "version with safetensors, or allow it with the engine argument --allow-pickle"
        )
    weights = safe or pickles
    return [name for name in weights if _variant(name) == variant] or [n for n in weights if _variant(n) is None]


def _variant(name: str) -> str | None:
    match = _VARIANT.search(name.rpartition("/")[2])
    return match["variant"] if match else None


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.WEIGHTS_INVALID, message)
