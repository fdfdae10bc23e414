"""The reference page of a custom resource, from the same schema that the API server enforces."""

from collections.abc import Iterator
from typing import Any

from slipway_crds.base import CustomResource
from slipway_crds.schema import custom_resource_definition

_HEADER = "<!-- Generated from the models in slipway_crds by `make generate`; edits are lost. -->\n"


def reference_page(kind: type[CustomResource]) -> str:
    """Markdown: every field with its type and meaning, and every rule."""
    crd = custom_resource_definition(kind)["spec"]
    schema = crd["versions"][0]["schema"]["openAPIV3Schema"]
    names = crd["names"]
    lines = [
        _HEADER,
        f"# {kind.kind_name}",
        "",
        schema["description"],
        "",
        f"`{crd['group']}/{crd['versions'][0]['name']}`, short name `{'`, `'.join(names['shortNames'])}`.",
    ]
    for part in ("spec", "status"):
        lines += ["", f"## {part}", "", "| field | type | meaning |", "| --- | --- | --- |"]
        lines += [
            f"| `{path}` | {_type(node)}{need} | {_meaning(node)} |" for path, node, need in _fields(schema, part)
        ]
    rules = [f"- `{path or kind.kind_name}`: {message}" for path, message in _rules(schema, "")]
    if rules:
        lines += ["", "## Rules", "", *rules]
    return "\n".join(lines) + "\n"


def _fields(schema: dict[str, Any], part: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    yield from _below(schema["properties"][part], "")


def _below(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    required = node.get("required", ())
    for name, child in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, child, ", required" if name in required else ""
        yield from _below(child, f"{path}.")
        yield from _below(child.get("items", {}), f"{path}[].")


def _type(node: dict[str, Any]) -> str:
    if "x-kubernetes-int-or-string" in node:
        return "quantity"
    if "enum" in node:
        return " \\| ".join(f"`{value}`" for value in node["enum"])
    if node["type"] == "array":
        return f"list of {_type(node['items'])}"
    if node["type"] == "object" and isinstance(node.get("additionalProperties"), dict):
        return f"map of {_type(node['additionalProperties'])}"
    return str(node["type"])


def _meaning(node: dict[str, Any]) -> str:
    bounds = [f"{word} {node[key]}" for key, word in (("minimum", "at least"), ("maximum", "at most")) if key in node]
    text = str(node.get("description", "")).replace("|", "\\|")
    return f"{text} ({', '.join(bounds)})" if bounds else text


def _rules(node: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for name, child in node.get("properties", {}).items():
        yield from _rules(child, f"{path}.{name}".lstrip("."))
    if "items" in node:
        yield from _rules(node["items"], f"{path}[]")
