"""Which engines this machine can run, and what to install for the others."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_local.domain.world import Problem

ENGINE_PYTHON_VARIABLE: Final = "SLIPWAY_ENGINE_PYTHON"


@dataclass(frozen=True)
class EngineNeed:
    """What an engine's process needs."""

    module: str
    """Python module that has to be importable."""
    extra: str
    """Extra of the distribution that installs it."""


NEEDS: Final[Mapping[EngineType, EngineNeed]] = MappingProxyType(
    {
        EngineType.LLAMACPP: EngineNeed("xllamacpp", "runtime-llamacpp"),
        EngineType.ONNX: EngineNeed("onnxruntime", "runtime-onnx"),
        EngineType.VLLM: EngineNeed("vllm", "runtime-vllm"),
        EngineType.DIFFUSERS: EngineNeed("diffusers", "runtime-diffusers"),
    }
)
_OF_THEIR_OWN: Final = frozenset({EngineType.VLLM, EngineType.DIFFUSERS})
"""Engines with so many pinned dependencies that they are better off in an environment of their own."""


def unavailable_engines(has_module: Callable[[EngineType, str], bool]) -> Mapping[EngineType, Problem]:
    """The engines that cannot run here, and why. ``has_module`` looks where the engine's process would."""
    found = {engine: _problem(engine, has_module) for engine in EngineType}
    return MappingProxyType({engine: problem for engine, problem in found.items() if problem is not None})


def parse_engine_pythons(texts: Iterable[str]) -> dict[EngineType, str]:
    """``ENGINE=PATH`` texts as a mapping; of two for one engine the later counts.

    Raises:
        ValueError: a text has another form, or names an engine that no interpreter runs.
    """
    found = {}
    for text in texts:
        name, _, path = text.partition("=")
        if name not in NEEDS or not path:
            engines = ", ".join(NEEDS)
            raise ValueError(f"{text!r} is not ENGINE=PATH; write for example vllm=/opt/vllm/bin/python ({engines})")
        found[EngineType(name)] = path
    return found


def _problem(engine: EngineType, has_module: Callable[[EngineType, str], bool]) -> Problem | None:
    if engine is EngineType.TEI:
        message = (
            "engine tei is a container, which clusters run; here write engine.type: onnx, which speaks the same API"
        )
        return Problem(Reason.ENGINE_NOT_AVAILABLE, message)
    need = NEEDS.get(engine)
    if need is None or has_module(engine, need.module):
        return None
    message = f"engine {engine} is not installed; install it by: pip install 'slipway[{need.extra}]'"
    if engine in _OF_THEIR_OWN:
        message += f", or name the Python of an environment that has it: slipway up --engine-python {engine}=PATH"
    return Problem(Reason.ENGINE_NOT_AVAILABLE, message)
