"""Which files of a hub repository an engine needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_runtime.domain.arguments import parse_arguments
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.gguf_files import choose_gguf
from slipway_runtime.domain.images_folder import pipeline_files
from slipway_runtime.domain.images_options import DiffusersOptions
from slipway_runtime.domain.llamacpp import LlamaCppOptions
from slipway_runtime.domain.onnx import OnnxOptions, graph_of
from slipway_runtime.domain.vllm import files_to_fetch

_ONNX_SIDE_FILES = ("*.json", "*/config.json", "vocab.txt", "tokenizer.model")


@dataclass(frozen=True)
class Selection:
    """Files to fetch, and which path among them the engine is given: a file, or "" for the folder."""

    files: tuple[str, ...]
    entry: str = ""


def select_files(
    engine: EngineType, names: Sequence[str], pattern: str | None, arguments: Sequence[str] = ()
) -> Selection:
    """What ``engine`` with ``arguments`` needs of ``names``; ``pattern`` is what the source says after the repository.

    Raises RuntimeFailure (WeightsNotFound, WeightsInvalid, InvalidConfiguration).
    """
    wanted = _matching(names, pattern)
    match engine:
        case EngineType.LLAMACPP:
            options = parse_arguments("llamacpp", arguments, LlamaCppOptions)
            choice = choose_gguf(names, options.file, options.mmproj, source=pattern)
            return Selection(choice.files, choice.model)
        case EngineType.ONNX:
            return _onnx(names, wanted if pattern else [_graph(names, arguments)])
        case EngineType.DIFFUSERS if pattern is None:
            chosen = parse_arguments("diffusers", arguments, DiffusersOptions)
            return Selection(pipeline_files(names, chosen.variant, allow_pickle=chosen.allow_pickle))
        case EngineType.VLLM if pattern is None:
            return Selection(files_to_fetch(names))
        case _:
            return Selection(tuple(wanted))


def _graph(names: Sequence[str], arguments: Sequence[str]) -> str:
    return graph_of(names, parse_arguments("onnx", arguments, OnnxOptions))


def _onnx(names: Sequence[str], graphs: Sequence[str]) -> Selection:
    graph = next((graph for graph in graphs if graph.endswith(".onnx")), None)
    if graph is None:
        raise RuntimeFailure(Reason.WEIGHTS_INVALID, f"no file among {', '.join(graphs)} is an .onnx file")
    # Weights above 2 GB lie beside the graph.
    data = [name for name in names if name.startswith((f"{graph}_data", f"{graph}.data"))]
    sides = [name for name in names if any(_matches(name, side) for side in _ONNX_SIDE_FILES)]
    return Selection((graph, *data, *sides), graph)


def _matching(names: Sequence[str], pattern: str | None) -> list[str]:
    if pattern is None:
        return list(names)
    found = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
    if not found:
        some = ", ".join(sorted(names)[:10])
        raise RuntimeFailure(Reason.WEIGHTS_NOT_FOUND, f"no file of the repository is {pattern!r}; it has {some}")
    return found


def _matches(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)
