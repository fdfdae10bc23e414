"""Whether a folder holds a diffusers pipeline that may be loaded, told before its gigabytes are read."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure

INDEX: Final = "model_index.json"
_PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SAFE: Final = ".safetensors"


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
        pickles = [name for name in own if name.endswith(_PICKLES)]
        if pickles and not allow_pickle and not any(name.endswith(_SAFE) for name in own):
            raise _invalid(
                f"{component} has its weights in pickle format only ({pickles[0]}), which can carry code; take a "
                "version with safetensors, or allow it with the engine argument --allow-pickle"
            )


def components(index: Mapping[str, Any]) -> list[str]:
    """The parts of a pipeline that have a folder of their own."""
    return [
        name
        for name, value in index.items()
        if not name.startswith("_") and isinstance(value, list) and len(value) == 2 and value[0] is not None
    ]


def _invalid(message: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.WEIGHTS_INVALID, message)
