"""Reading custom resources from YAML that a person wrote: strictly, with errors that say where and what instead."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from slipway_crds.api_key import APIKey
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.model_route import ModelRoute
from slipway_crds.names import API_VERSION

Resource: TypeAlias = ModelDeployment | APIKey | ModelRoute
KINDS: Final[Mapping[str, type[Resource]]] = {kind.kind_name: kind for kind in (ModelDeployment, APIKey, ModelRoute)}
_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_DOCUMENTS: Final = 1000
_MERGE: Final = "tag:yaml.org,2002:merge"


class DocumentError(ValueError):
    """A document cannot be used; the message says which, where in it, and what to write instead."""


def load_documents(text: str, origin: str) -> list[Resource]:
    """Every custom resource in a YAML stream. ``origin`` names the stream in errors, for example a file name.

    Raises:
        DocumentError: the YAML is broken, a kind is unknown, a field is unknown or wrong, or a name comes twice.
    """
    if len(text.encode()) > _MAX_BYTES:
        raise DocumentError(f"{origin}: larger than {_MAX_BYTES // 1024 // 1024} MiB; split it into several files")
    resources: list[Resource] = []
    seen: set[tuple[str, str, str]] = set()
    for number, document in enumerate(_parse(text, origin), start=1):
        if document is None:
            continue
        if number > _MAX_DOCUMENTS:
            raise DocumentError(f"{origin}: more than {_MAX_DOCUMENTS} documents; split it into several files")
        resource = _to_resource(document, f"{origin}, document {number}")
        identity = (resource.kind, resource.metadata.namespace, resource.metadata.name)
        if identity in seen:
            raise DocumentError(f"{origin}, document {number}: {resource.kind} {resource.metadata.name} comes twice")
        seen.add(identity)
        resources.append(resource)
    return resources


class _Loader(yaml.SafeLoader):
    """Refuses a key that comes twice in one mapping, as the API server does; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node in (key_node for key_node, _ in node.value if key_node.tag != _MERGE):
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused below, in PyYAML's words
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} comes twice in one object; keep one of them", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _parse(text: str, origin: str) -> Iterator[object]:
    try:
        yield from yaml.load_all(text, _Loader)
    except yaml.YAMLError as error:
        raise DocumentError(f"{origin}: not YAML: {error}") from None
    except RecursionError:
        raise DocumentError(f"{origin}: not YAML: nested too deeply") from None
    except ValueError as error:
        # PyYAML turns texts that look like dates into dates, and tells of it in Python's words.
        raise DocumentError(f"{origin}: a date or number cannot be read: {error}") from None


def _to_resource(document: object, where: str) -> Resource:
    if not isinstance(document, dict):
        raise DocumentError(f"{where}: expected an object with apiVersion and kind, found {type(document).__name__}")
    kind, version = document.get("kind"), document.get("apiVersion")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None or version != API_VERSION:
        known = ", ".join(KINDS)
        raise DocumentError(
            f"{where}: {version}/{kind} is not known here; write apiVersion: {API_VERSION} and kind: one of {known}"
        )
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    try:
        return model.model_validate(_without_managed_metadata(document), extra="forbid")
    except ValidationError as error:
        problems = "; ".join(f"{_path(item['loc'])}: {_message(item)}" for item in _telling(error))
        raise DocumentError(f"{where}, {kind} {name}: {problems}") from None


_METADATA_FIELDS: Final = frozenset({"name", "namespace", "uid", "labels", "annotations"})
"""The uid, too: it tells a key from one that had its name before."""


def _without_managed_metadata(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what the API server added, so that ``kubectl get -o yaml`` can be read back."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        return document
    kept = {key: value for key, value in metadata.items() if key in _METADATA_FIELDS}
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": kept}


def _telling(error: ValidationError) -> list[ErrorDetails]:
    """The errors without the claim that a list is too short, which only means that the items named already are bad."""
    found = error.errors()
    named_already = {item["loc"][:depth] for item in found for depth in range(len(item["loc"]))}
    return [item for item in found if item["type"] != "too_short" or item["loc"] not in named_already]


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the document"


def _message(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field; see `kubectl explain` or docs/reference for the fields there are"
    return str(item["msg"]).removeprefix("Value error, ")
