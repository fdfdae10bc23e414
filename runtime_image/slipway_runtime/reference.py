"""Writes the reference of engine arguments from the options that the runtime checks.

``python -m slipway_runtime.reference FILE [--check]``: with ``--check`` nothing is written, and the exit status is 1
when the file differs.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from slipway_crds.engines import EngineType
from slipway_crds.generated_files import keep_file
from slipway_runtime.domain.arguments import EngineOptions, flag_name
from slipway_runtime.domain.dummy import DummyOptions
from slipway_runtime.domain.images_options import DiffusersOptions
from slipway_runtime.domain.llamacpp import LlamaCppOptions
from slipway_runtime.domain.onnx import OnnxOptions

OPTIONS: Final[Mapping[EngineType, type[EngineOptions]]] = {
    EngineType.LLAMACPP: LlamaCppOptions,
    EngineType.ONNX: OnnxOptions,
    EngineType.DIFFUSERS: DiffusersOptions,
    EngineType.DUMMY: DummyOptions,
}
_INTRODUCTION: Final = """\
<!-- Generated from the options in slipway_runtime by `make generate`; edits are lost. -->

# Engine arguments

`spec.engine.args` of a ModelDeployment: `--name=value`, or `--name` for a switch. An argument that is wrong or not
known fails the start with `InvalidConfiguration`, before any weights are fetched. `vllm` and `tei` take their own
arguments; see [Engines](../engines.md).
"""


def rendered() -> str:
    """The page, as Markdown."""
    return "\n".join([_INTRODUCTION, *(line for engine in OPTIONS for line in _section(engine))])


def _section(engine: EngineType) -> Iterator[str]:
    yield from (f"## {engine}", "", "| argument | value | meaning |", "| --- | --- | --- |")
    schema = OPTIONS[engine].model_json_schema()
    for name, node in schema["properties"].items():
        meaning = " ".join(node.get("description", "").split()).replace("|", "\\|")
        yield f"| `{flag_name(name)}` | {_value(node)} | {meaning}{_default(node, meaning)} |"
    yield ""


def _value(node: Mapping[str, Any]) -> str:
    if "anyOf" not in node:
        return "switch" if node.get("type") == "boolean" else _kind(node)
    return " or ".join(_kind(choice) for choice in node["anyOf"] if choice["type"] != "null")


def _kind(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    bounds = [f"{sign} {node[key]}" for key, sign in _BOUNDS.items() if key in node]
    return " ".join([_NAMES[node["type"]], *bounds])


_NAMES: Final = {"boolean": "`true`, `false`", "integer": "integer", "number": "number", "string": "text"}
_BOUNDS: Final = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}


def _default(node: Mapping[str, Any], meaning: str) -> str:
    value = node.get("default")
    if value is None or value is False or value == "" or "Default:" in meaning:
        return ""
    return f" Default: {value}."


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; returns the exit status."""
    return keep_file("slipway_runtime.reference", rendered(), "the options", argv)


if __name__ == "__main__":
    sys.exit(main())
