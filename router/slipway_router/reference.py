"""Writes the reference of the router's configuration from the settings that it checks.

``python -m slipway_router.reference FILE [--check]``: with ``--check`` nothing is written, and the exit status is 1
when the file differs.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from slipway_crds.generated_files import keep_file
from slipway_router.app.options import Features
from slipway_router.app.setting_names import variable_of
from slipway_router.app.settings import Settings

_INTRODUCTION: Final = """\
<!-- Generated from the settings in slipway_router by `make generate`; edits are lost. -->

# Configuration of the router

`slipway-router --config FILE` reads a TOML file, or the one that `SLIPWAY_CONFIG` names. Every setting is a variable,
too, and the variable wins: `url` in `[store]` is `SLIPWAY_STORE_URL`. In variables, lists are written with commas, and
an empty variable is as good as none. Durations are written like `500ms`, `20s`, `1h30m`, or as a number of seconds.

`slipway-router --check` tells what is wrong with the settings and ends; `slipway-router --print-config` prints all of
them, without secrets. A wrong value, a key of the file or a variable of a section that is not known ends the start.

```toml
watch_namespaces = ["team-a", "team-b"]
drain_timeout = "5m"

[store]
url = "valkey://valkey:6379/0"

[cors]
origins = ["https://chat.example.com"]
```
"""
_NAMES: Final = {"boolean": "`true`, `false`", "integer": "integer", "number": "number", "string": "text"}
_BOUNDS: Final = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}


def rendered() -> str:
    """The page, as Markdown."""
    lines = [_INTRODUCTION, *_table(Settings, (), leave_out=Features.model_fields.keys())]
    for name, field in Features.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        lines += [f"## [{name}]", "", " ".join((section.__doc__ or "").split()).replace("``", "`"), ""]
        lines += _table(section, (name,))
    return "\n".join(lines)


def _table(model: type[BaseModel], above: tuple[str, ...], leave_out: Collection[str] = ()) -> Iterator[str]:
    yield from ("| key | variable | value | default | meaning |", "| --- | --- | --- | --- | --- |")
    for name, node in model.model_json_schema()["properties"].items():
        if name not in leave_out:
            meaning = " ".join(node.get("description", "").split()).replace("|", "\\|").replace("``", "`")
            variable = variable_of((*above, name))
            yield f"| `{name}` | `{variable}` | {_value(node)} | {_default(node)} | {meaning} |"
    yield ""


def _value(node: Mapping[str, Any]) -> str:
    choices = node.get("anyOf", [node])
    return " or ".join(_kind(choice) for choice in choices if choice.get("type") != "null")


def _kind(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if node["type"] == "array":
        return "list of texts"
    bounds = [f"{sign} {_plain(node[key])}" for key, sign in _BOUNDS.items() if key in node]
    kind = "seconds" if node.get("format") == "duration" else _NAMES[node["type"]]
    return " ".join([kind, *bounds])


def _default(node: Mapping[str, Any]) -> str:
    value = node.get("default")
    if value in (None, "", []):
        return ""
    return ", ".join(f"`{item}`" for item in value) if isinstance(value, list) else f"`{_plain(value)}`"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; returns the exit status."""
    return keep_file("slipway_router.reference", rendered(), "the settings", argv)


if __name__ == "__main__":
    sys.exit(main())
