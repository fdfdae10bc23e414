"""The folder of a pipeline, looked at without the seconds that importing PyTorch takes."""

import json
import os
from pathlib import Path

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.images_folder import INDEX, check_folder


def check_pipeline_folder(folder: Path, *, allow_pickle: bool) -> None:
    """Raise RuntimeFailure (WeightsInvalid) when ``folder`` is no pipeline, or one that must not be loaded."""
    if not folder.is_dir():
        message = f"{folder.name} is a single file; the diffusers engine needs a folder with {INDEX}"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, message)
    try:
        index = json.loads((folder / INDEX).read_bytes())
    except FileNotFoundError:
        message = f"the model's folder has no {INDEX}; the diffusers engine needs the layout of diffusers"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, message) from None
    except ValueError as error:
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"{INDEX} is not JSON: {error}") from error
    files = [os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file()]
    check_folder(index, files, allow_pickle=allow_pickle)
