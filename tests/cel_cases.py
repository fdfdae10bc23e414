"""The cases of ``tests/data/cel_cases.yaml`` and the rules of the custom resources that they belong to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from slipway_crds.documents import KINDS
from slipway_crds.names import API_VERSION
from slipway_crds.schema import custom_resource_definition

_FILE: Final = Path(__file__).parent / "data" / "cel_cases.yaml"
_SMALLEST_SPECS: Final[Mapping[str, dict[str, Any]]] = {
    "ModelDeployment": {"model": {"source": "demo://chat"}, "engine": {"type": "llamacpp"}},
    "APIKey": {"owner": "someone"},
    "ModelRoute": {"rules": [{"backends": [{"model": "demo-chat"}]}]},
}


@dataclass(frozen=True)
class CelCase:
    """One rule, by its message, with an object that passes it and one that it refuses."""

    kind: str
    message: str
    accepted: str
    refused: str
    stored: str | None
    """For a rule that compares: the object that both replace."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message[:40]}"


def cel_cases() -> list[CelCase]:
    """Every case, with its objects as YAML text."""
    kinds = yaml.safe_load(_FILE.read_text())
    return [_case(kind, message, case) for kind, cases in kinds.items() for message, case in cases.items()]


def rule_messages(kind: str) -> set[str]:
    """The message of every rule in the schema of ``kind``."""
    return set(_messages(custom_resource_definition(KINDS[kind])))


def _messages(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", ()))
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from _messages(child)


def _case(kind: str, message: str, case: Mapping[str, Any]) -> CelCase:
    name = "stored" if "stored" in case else "new"
    texts = {role: _document(kind, name, case[role]) for role in ("accepted", "refused", "stored") if role in case}
    return CelCase(kind, message, texts["accepted"], texts["refused"], texts.get("stored"))


def _document(kind: str, name: str, overlay: Mapping[str, Any]) -> str:
    document = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": overlay.get("name", name)},
        "spec": {**_SMALLEST_SPECS[kind], **overlay.get("spec", {})},
    }
    return yaml.safe_dump(document, sort_keys=False)
