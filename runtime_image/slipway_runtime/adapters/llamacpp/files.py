"""Finds the files of a GGUF model on this machine."""

import logging
from dataclasses import dataclass
from pathlib import Path

from slipway_runtime.domain.gguf_files import choose_gguf
from slipway_runtime.domain.llamacpp import LlamaCppOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFiles:
    """What llama.cpp is given."""

    model: Path
    projector: Path | None


def find_model(weights: Path, options: LlamaCppOptions) -> ModelFiles:
    """The model at or below ``weights``, which is a folder or the model's file. Raises RuntimeFailure."""
    if weights.is_dir():
        folder, source = weights, None
        found = list(folder.rglob("*"))
    else:
        # A repository may keep its projector above the folder of a quantisation; where models lie, it is another's.
        folder = weights.parent.parent
        source = str(weights.relative_to(folder))
        above = list(folder.glob("*.gguf"))
        found = [*weights.parent.iterdir(), *(above if all("mmproj" in path.name for path in above) else ())]
    names = sorted({str(path.relative_to(folder)) for path in found if path.is_file()})
    if source is not None and not source.endswith(".gguf"):
        # The header tells what it is, whatever its name.
        return ModelFiles(weights, None)
    choice = choose_gguf(names, options.file, options.mmproj, source=source)
    log.info("model file %s, vision projector %s", choice.model, choice.projector or "none")
    return ModelFiles(folder / choice.model, None if choice.projector is None else folder / choice.projector)
