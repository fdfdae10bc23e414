"""Which engines this machine can run, and what to install for the others."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_local.domain.world import Problem

_EXTRAS: Final[Mapping[EngineType, tuple[str, str]]] = MappingProxyType(
    {
        EngineType.LLAMACPP: ("xllamacpp", "runtime-llamacpp"),
        EngineType.ONNX: ("onnxruntime", "runtime-onnx"),
        EngineType.VLLM: ("vllm", "runtime-vllm"),
        EngineType.DIFFUSERS: ("diffusers", "runtime-diffusers"),
    }
)
"""The module that an engine needs, and the extra of the distribution that installs it."""


def unavailable_engines(has_module: Callable[[str], bool], extras: frozenset[str]) -> Mapping[EngineType, Problem]:
    """The engines that cannot run here, and why. ``extras`` are those that this release of Slipway has."""
    found = {engine: _problem(engine, has_module, extras) for engine in EngineType}
    return MappingProxyType({engine: problem for engine, problem in found.items() if problem is not None})


def _problem(engine: EngineType, has_module: Callable[[str], bool], extras: frozenset[str]) -> Problem | None:
    if engine is EngineType.DUMMY:
        return None
    module, extra = _EXTRAS.get(engine, ("", ""))
    if extra not in extras:
        able = ", ".join(sorted([EngineType.DUMMY, *(e for e, (_, name) in _EXTRAS.items() if name in extras)]))
        return Problem(
            Reason.ENGINE_NOT_AVAILABLE, f"engine {engine} does not run in local mode yet; engines that do: {able}"
        )
    if has_module(module):
        return None
    message = f"engine {engine} is not installed; install it by: pip install 'slipway[{extra}]'"
    return Problem(Reason.ENGINE_NOT_AVAILABLE, message)
