"""Which GGUF files of a folder or repository are the model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure

_PART: Final = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")
_QUANTISATION: Final = re.compile(r"(?i)(?<![a-z0-9])(?:ud-)?(i?q\d(?:_[a-z0-9]+)*|bf16|f16|f32|mxfp4)(?![a-z0-9])")
_PREFERRED: Final = (
    *("Q4_K_M", "MXFP4", "Q4_K_S", "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0", "IQ4_XS", "IQ4_NL", "Q4_0", "Q4_1"),
    *("Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K", "F16", "BF16", "F32"),
)
"""Best first: what loses little at a fourth of the size, then what is larger, then what loses more."""
_PROJECTOR_PREFERRED: Final = ("F16", "BF16", "Q8_0", "F32")
_PROJECTOR: Final = "mmproj"
_LISTED: Final = 10


@dataclass(frozen=True)
class GgufChoice:
    """The files of one model."""

    model: str
    """The file to load; of a split one, the first part."""
    parts: tuple[str, ...]
    """All parts, ``model`` among them."""
    projector: str | None = None
    """The vision projector."""

    @property
    def files(self) -> tuple[str, ...]:
        """All that has to be there."""
        return self.parts if self.projector is None else (*self.parts, self.projector)


def choose_gguf(
    names: Sequence[str], file: str | None = None, mmproj: str | None = None, *, source: str | None = None
) -> GgufChoice:
    """The model among ``names``: the only GGUF, or the one that ``file`` and ``source`` (names or patterns) say.

    ``source`` is what the source's address says, ``file`` the flag ``--file``. Where several are the same model in
    different quantisations, the usual one is taken (Q4_K_M, else the next best). ``mmproj`` names the vision
    projector; without it, one that lies beside the model is taken. Raises RuntimeFailure (WeightsNotFound,
    WeightsInvalid, InvalidConfiguration) that lists what there is.
    """
    found = sorted(name for name in names if name.endswith(".gguf"))
    given = set() if mmproj is None else set(_matching(found, mmproj, "--mmproj"))
    models = [name for name in found if not _is_projector(name) and name not in given]
    if not models:
        raise RuntimeFailure(
            Reason.WEIGHTS_INVALID, f"the llamacpp engine needs a .gguf file; the source has {_some(names)}"
        )
    wanted = models if source is None else _matching(models, source, "model.source")
    wanted = wanted if file is None else _matching(wanted, file, "--file")
    model = _one(sorted({_first_part(name) for name in wanted}))
    return GgufChoice(model, parts_of(model, found), _projector(model, found, mmproj))


def parts_of(model: str, names: Sequence[str]) -> tuple[str, ...]:
    """``model`` and, when it is a part of a split file, the other parts. Raises RuntimeFailure for missing ones."""
    parts = part_names(model)
    if missing := [part for part in parts if part not in names]:
        message = f"{model} is one of {len(parts)} files of a model; missing: {_some(missing)}"
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, message)
    return parts


def part_names(model: str) -> tuple[str, ...]:
    """The names of all files of the model that ``model`` is a file of, in order."""
    part = _PART.match(model)
    if part is None:
        return (model,)
    count = int(part["count"])
    return tuple(f"{part['stem']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))


def _first_part(name: str) -> str:
    return part_names(name)[0]


def _one(models: Sequence[str]) -> str:
    if len(models) == 1:
        return models[0]
    by_quantisation = {_quantisation(name): name for name in models}
    variants = len({_QUANTISATION.sub("", name).casefold() for name in map(_base, models)}) == 1
    if variants and len(by_quantisation) == len(models):
        for preferred in _PREFERRED:
            if preferred in by_quantisation:
                return by_quantisation[preferred]
    message = f"the source has several .gguf files; choose one by --file in engine.args: {_some(models)}"
    raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)


def _base(name: str) -> str:
    # The parts' numbers say nothing about the model, nor do folders, which are often named by quantisation.
    base = PurePosixPath(name).name
    part = _PART.match(base)
    return base if part is None else f"{part['stem']}.gguf"


def _quantisation(name: str) -> str:
    found: list[str] = _QUANTISATION.findall(_base(name))
    return found[-1].upper() if found else ""


def _projector(model: str, found: Sequence[str], asked: str | None) -> str | None:
    if asked is not None:
        matching = _matching(found, asked, "--mmproj")
        if len(matching) > 1:
            message = f"--mmproj={asked} matches several files; name one: {_some(matching)}"
            raise RuntimeFailure(Reason.INVALID_CONFIGURATION, message)
        return matching[0]
    projectors = [name for name in found if _is_projector(name)]
    folder = PurePosixPath(model).parent
    for place in (folder, *folder.parents):
        beside = [name for name in projectors if PurePosixPath(name).parent == place]
        if beside:
            return min(beside, key=_projector_rank)
    return None


def _projector_rank(name: str) -> tuple[int, str]:
    kind = _quantisation(name)
    rank = _PROJECTOR_PREFERRED.index(kind) if kind in _PROJECTOR_PREFERRED else len(_PROJECTOR_PREFERRED)
    return rank, name


def _is_projector(name: str) -> bool:
    return _PROJECTOR in PurePosixPath(name).name.casefold()


def _matching(names: Sequence[str], wanted: str, flag: str) -> list[str]:
    matching = [name for name in names if wanted in (name, PurePosixPath(name).name) or fnmatchcase(name, wanted)]
    if not matching:
        message = f"no .gguf file of the source is {wanted!r}, as {flag} asks; it has {_some(names)}"
        raise RuntimeFailure(Reason.WEIGHTS_NOT_FOUND, message)
    return matching


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(sorted(names)[:_LISTED]) or "nothing"
    return f"{listed} and {len(names) - _LISTED} more" if len(names) > _LISTED else listed
