"""From pydantic models to CustomResourceDefinitions with structural schemas."""

from typing import Any, Final

from slipway_crds.base import ApiModel, CustomResource
from slipway_crds.names import CATEGORY, GROUP, VERSION

_DROPPED: Final = frozenset({"title", "default"})
_NUMERIC_BOUNDS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def custom_resource_definition(kind: type[CustomResource]) -> dict[str, Any]:
    """The CustomResourceDefinition of ``kind``, as apiextensions.k8s.io/v1."""
    subresources: dict[str, Any] = {"status": {}}
    if kind.scale is not None:
        subresources["scale"] = dict(kind.scale)
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root_schema(kind)},
        "subresources": subresources,
        "additionalPrinterColumns": [dict(column) for column in kind.printer_columns],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind_name,
                "listKind": f"{kind.kind_name}List",
                "plural": kind.plural,
                "singular": kind.kind_name.lower(),
                "shortNames": list(kind.short_names),
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _root_schema(kind: type[CustomResource]) -> dict[str, Any]:
    fields = {name: info for name, info in kind.model_fields.items() if name in ("spec", "status")}
    schema = _model_schema(kind)
    properties = {name: schema["properties"][name] for name in fields}
    plain: dict[str, Any] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return {**schema, "properties": {**plain, **properties}, "required": ["spec"]}


def _model_schema(model: type[ApiModel]) -> dict[str, Any]:
    raw = model.model_json_schema(by_alias=True, mode="validation")
    rules = _rules_by_title(model)
    schema = _structural(raw, raw.get("$defs", {}), rules)
    assert isinstance(schema, dict)
    return schema


def _rules_by_title(model: type[ApiModel]) -> dict[str, list[dict[str, str]]]:
    """The CEL rules of every model that can appear below ``model``, by class name."""
    found: dict[str, list[dict[str, str]]] = {}
    waiting: list[type[ApiModel]] = [ApiModel]
    while waiting:
        current = waiting.pop()
        waiting.extend(current.__subclasses__())
        if "rules" in current.__dict__ and current.rules:
            found[current.__name__] = [{"rule": rule.cel, "message": rule.message} for rule in current.rules]
    return found


def _structural(node: Any, definitions: dict[str, Any], rules: dict[str, list[dict[str, str]]]) -> Any:
    """``node`` with references inlined and everything that a structural schema cannot hold rewritten."""
    if isinstance(node, list):
        return [_structural(item, definitions, rules) for item in node]
    if not isinstance(node, dict):
        return node
    node = _inline(node, definitions)
    if "x-kubernetes-int-or-string" in node:
        return {key: value for key, value in node.items() if key not in _DROPPED}
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            result[key] = {name: _structural(child, definitions, rules) for name, child in value.items()}
        elif key in _NUMERIC_BOUNDS:
            result |= {_NUMERIC_BOUNDS[key]: value, key: True}
        elif key == "const":
            result |= {"enum": [value]}
        elif key == "description":
            result[key] = " ".join(value.split())
        elif key not in _DROPPED and key != "$defs":
            result[key] = _structural(value, definitions, rules)
    return _with_rules(_without_closed_objects(result), node.get("title"), rules)


def _inline(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """``node`` without ``$ref`` and without the ``anyOf`` that pydantic writes for ``X | None``."""
    while True:
        if "$ref" in node:
            target = definitions[node["$ref"].rsplit("/", 1)[1]]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        elif "anyOf" in node and "x-kubernetes-int-or-string" not in node:
            choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
            if len(choices) != 1:
                raise TypeError(f"a structural schema has no unions: {node['anyOf']}")
            node = {**choices[0], **{key: value for key, value in node.items() if key not in ("anyOf", "title")}}
        else:
            return node


def _without_closed_objects(node: dict[str, Any]) -> dict[str, Any]:
    if node.get("additionalProperties") is False:
        return {key: value for key, value in node.items() if key != "additionalProperties"}
    return node


def _with_rules(node: dict[str, Any], title: object, rules: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    if isinstance(title, str) and title in rules:
        return {**node, "x-kubernetes-validations": rules[title]}
    return node
