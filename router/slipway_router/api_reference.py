"""Writes the reference of the data port from the table that the router serves by.

``python -m slipway_router.api_reference FILE [--check]``: with ``--check`` nothing is written, and the exit status is 1
when the file differs.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from slipway_crds.generated_files import keep_file
from slipway_router.domain.api.entries import Entry, Tag
from slipway_router.domain.api.openapi import errors_of
from slipway_router.domain.api.table import TABLE
from slipway_router.domain.errors import ErrorCode

_INTRODUCTION: Final = """\
<!-- Generated from the table in slipway_router by `make generate`; edits are lost. -->

# API reference

Every call of the router's data port. The router itself has it as an OpenAPI 3.1 document at `/openapi.json`, and as
pages to try it at `/docs`. [The API](../api.md) is the tour.

Keys go into `Authorization: Bearer KEY` or `x-api-key`. Every answer has an `x-request-id`; send your own to choose it.
Inference calls pass fields that are not listed here on to the engine.
"""


def rendered() -> str:
    """The page, as Markdown."""
    lines = [_INTRODUCTION]
    for tag in Tag:
        entries = [entry for entry in TABLE if entry.tag is tag]
        if entries:
            lines += [f"## {tag.title}", "", tag.text, ""]
            lines += [line for entry in entries for line in _section(entry)]
    return "\n".join([*lines, *_errors()])


def _section(entry: Entry) -> Iterator[str]:
    yield from (f"### {entry.method} {entry.path}", "")
    also = f" Also {', '.join(f'`{alias}`' for alias in entry.aliases)}." if entry.aliases else ""
    yield from (f"{entry.summary}.{also} For: {entry.scope.value}.", "")
    if entry.text:
        yield from (entry.text, "")
    if entry.parameters:
        yield from ("| parameter | in | meaning |", "| --- | --- | --- |")
        yield from (f"| `{p.name}` | {p.where} | {p.text} |" for p in entry.parameters)
        yield ""
    if entry.body is not None:
        yield from _body(entry.body)
    yield from (f"Answers: {_answers(entry)}.", "", f"Errors: {_codes(entry)}.", "")


def _body(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    yield from ("| field | type | |", "| --- | --- | --- |")
    for name, node in schema.get("properties", {}).items():
        words = [node.get("description", "")] + (["Required."] if name in required else [])
        text = " ".join(" ".join(words).split()).replace("|", "\\|")
        yield f"| `{name}` | {_kind(node)} | {text} |"
    yield ""


def _kind(node: Mapping[str, Any]) -> str:
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in node["anyOf"] if choice.get("type") != "null"))
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "$ref" in node:
        return "object"
    kind = node.get("type", "any")
    if kind == "array":
        items = _kind(node.get("items", {}))
        return f"list of {items}" if items != "any" else "list"
    bounds = [f"{sign} {node[key]}" for key, sign in _BOUNDS.items() if key in node]
    return " ".join([_NAMES.get(kind, kind), *bounds])


_NAMES: Final = {"string": "text"}
_BOUNDS: Final = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "maxLength": "of at most",
}


def _answers(entry: Entry) -> str:
    kinds = ", ".join(f"`{content.media_type}`" for content in entry.answers)
    return f"{entry.status}{f', {kinds}' if kinds else ''}"


def _codes(entry: Entry) -> str:
    found = errors_of(entry).items()
    return "; ".join(f"{status} {', '.join(f'`{code.code}`' for code in codes)}" for status, codes in found)


def _errors() -> Iterator[str]:
    yield from ("## Errors", "", "| code | status | type |", "| --- | --- | --- |")
    yield from (f"| `{code.code}` | {int(code.status)} | `{code.kind}` |" for code in ErrorCode)
    yield ""


def main(argv: Sequence[str] | None = None) -> int:
    """Write or compare; returns the exit status."""
    return keep_file("slipway_router.api_reference", rendered(), "the table", argv)


if __name__ == "__main__":
    sys.exit(main())
