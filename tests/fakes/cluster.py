"""An API server in memory: server-side apply with field ownership, and the operator's view of what it holds."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from slipway_crds.names import (
    FIELD_MANAGER_OPERATOR,
    FIELD_MANAGER_OPERATOR_STATUS,
    LABEL_API_KEY,
    LABEL_MODEL,
    child_name,
)
from slipway_operator.domain.errors import ConflictError, NamespaceTerminatingError, NotFoundError, RefusedError
from slipway_operator.domain.free_gpus import GpuRequest
from slipway_operator.domain.observed import Child, KeySecret, StoredObject, child_of, key_secret_of, stored_object
from slipway_operator.domain.pods import Pod, pod_of
from slipway_operator.domain.resources import (
    MODEL_CHILDREN,
    MODEL_DEPLOYMENT,
    POD,
    SECRET,
    Manifest,
    Ref,
    Resource,
    ref_of,
)
from slipway_operator.domain.served_names import Claimant, claim_of

Path = tuple[str, ...]


class CrashError(Exception):
    """The operator dies here."""


class FakeCluster:
    """The port ``Cluster``. ``crash_after`` writes, the next call raises `CrashError` instead."""

    def __init__(self) -> None:
        self.objects: dict[Ref, Manifest] = {}
        self.writes: list[str] = []
        self.events: list[Manifest] = []
        self.crash_after: int | None = None
        self.drops: str | None = None
        """A field that this API server does not store the way it was written."""
        self.refused: set[Resource] = set()
        """Kinds that a quota or an admission plugin does not let anybody make."""
        self.terminating: set[str] = set()
        """Namespaces that are being deleted."""
        self._owned: dict[Ref, dict[Path, set[str]]] = {}
        self._versions = itertools.count(1)

    async def apply(self, manifest: Manifest, *, force: bool, field_manager: str = FIELD_MANAGER_OPERATOR) -> str:
        self._count("apply", ref_of(manifest))
        self._apply(ref_of(manifest), manifest, field_manager, force=force)
        return self._version(ref_of(manifest))

    async def overwrite(self, manifest: Manifest) -> str:
        ref = ref_of(manifest)
        self._count("overwrite", ref)
        if ref not in self.objects:
            raise NotFoundError(404, f"{ref} not found")
        live = dict(_leaves(self.objects[ref]))
        changed = {path: value for path, value in _leaves(manifest) if live.get(path) != value}
        self._owned[ref] |= {path: {f"{FIELD_MANAGER_OPERATOR}, by update"} for path in changed}
        if changed:
            self.objects[ref] = _tree(live | changed)
            self._touch(ref)
        return self._version(ref)

    async def apply_status(self, ref: Ref, status: dict[str, Any]) -> None:
        self._count("status", ref)
        if ref in self.objects:
            body = {**_head(ref), "status": status}
            self._apply(ref, body, FIELD_MANAGER_OPERATOR_STATUS, force=True)

    async def create(self, manifest: Manifest) -> None:
        self._count("create", ref_of(manifest))
        if ref_of(manifest) in self.objects:
            raise ConflictError(409, f"{ref_of(manifest)} already exists")
        self._apply(ref_of(manifest), manifest, FIELD_MANAGER_OPERATOR, force=True)

    async def delete(self, ref: Ref, uid: str) -> None:
        self._count("delete", ref)
        if self.objects.get(ref, {}).get("metadata", {}).get("uid") == uid:
            self.remove(ref)

    async def read(self, ref: Ref) -> Manifest | None:
        return copy.deepcopy(self.objects.get(ref))

    async def post_event(self, event: Manifest) -> None:
        self._count("event", ref_of(event))
        self.events.append(event)

    def put(self, manifest: Manifest, manager: str = "kubectl", *, force: bool = True) -> Manifest:
        """What a person applies; raises ConflictError like the API server."""
        ref = ref_of(manifest)
        before = copy.deepcopy(self.objects.get(ref, {}).get("spec"))
        self._apply(ref, manifest, manager, force=force)
        metadata = self.objects[ref]["metadata"]
        if before != self.objects[ref].get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        return self.objects[ref]

    def set_status(self, ref: Ref, status: Mapping[str, Any]) -> None:
        """What a controller of Kubernetes writes."""
        if ref not in self.objects:
            raise NotFoundError(404, f"{ref} not found")
        self.objects[ref]["status"] = copy.deepcopy(dict(status))
        self._touch(ref)

    def remove(self, ref: Ref) -> None:
        """What a person deletes; children go with their owner, as the garbage collector would have it."""
        uid = self.objects.pop(ref)["metadata"]["uid"]
        self._owned.pop(ref, None)
        for other in [o for o, body in self.objects.items() if _owner_uid(body) == uid]:
            self.remove(other)

    def of_kind(self, resource: Resource) -> dict[str, Manifest]:
        """Objects of a kind by name."""
        return {ref.name: body for ref, body in self.objects.items() if ref.resource is resource}

    def _count(self, verb: str, ref: Ref) -> None:
        if self.crash_after is not None and len(self.writes) >= self.crash_after:
            raise CrashError(f"before {verb} {ref}")
        self.writes.append(f"{verb} {ref.resource.kind} {ref.name}")

    def _apply(self, ref: Ref, manifest: Manifest, manager: str, *, force: bool) -> None:
        if ref not in self.objects and ref.namespace in self.terminating:
            raise NamespaceTerminatingError(403, f"{ref} is forbidden: namespace {ref.namespace} is being terminated")
        if ref not in self.objects and ref.resource in self.refused:
            raise RefusedError(403, f"{ref} is forbidden: exceeded quota")
        wanted = dict(_leaves({k: v for k, v in manifest.items() if k not in ("apiVersion", "kind")}))
        wanted = {path: value for path, value in wanted.items() if self.drops not in path}
        live = dict(_leaves(self.objects.get(ref, {})))
        owned = self._owned.setdefault(ref, {})
        owners = {path: frozenset(managers) for path, managers in owned.items()}
        taken = [
            path for path, value in wanted.items() if owned.get(path, {manager}) - {manager} and live[path] != value
        ]
        if taken and not force:
            raise ConflictError(409, f"conflict with {sorted(owned[taken[0]])[0]}: .{'.'.join(taken[0])}")
        for path in [path for path, managers in owned.items() if manager in managers and path not in wanted]:
            owned[path].discard(manager)
            if not owned[path]:
                del owned[path]
                live.pop(path, None)
        for path, value in wanted.items():
            if live.get(path) != value:
                owned[path] = {manager}
            owned.setdefault(path, set()).add(manager)
            live[path] = value
        before = self.objects.get(ref)
        after = _tree(live)
        after.update(_head(ref) | {"metadata": {**_tree(live).get("metadata", {}), **_identity(ref, before)}})
        # Who owns a field is part of the object, too.
        if before is None or _content(after) != _content(before) or owned != owners:
            self.objects[ref] = after
            self._touch(ref)

    def _version(self, ref: Ref) -> str:
        return str(self.objects[ref]["metadata"]["resourceVersion"])

    def _touch(self, ref: Ref) -> None:
        metadata = self.objects[ref]["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._versions)}")
        metadata["resourceVersion"] = str(next(self._versions))
        owners = self._owned.get(ref, {}).get(("spec", "replicas"), set())
        fields: Manifest = {"f:spec": {"f:replicas": {}}} if FIELD_MANAGER_OPERATOR in owners else {}
        entry = {"manager": FIELD_MANAGER_OPERATOR, "operation": "Apply", "fieldsV1": fields}
        metadata["managedFields"] = [entry]


class FakeWorld:
    """The port ``World`` over a `FakeCluster`; ``frozen`` shows what was there when it was frozen."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._frozen: dict[Ref, Manifest] | None = None

    def freeze(self) -> None:
        self._frozen = {ref: copy.deepcopy(body) for ref, body in self._cluster.objects.items()}

    def thaw(self) -> None:
        self._frozen = None

    def object(self, key: Ref) -> StoredObject | None:
        owners = (
            body for ref, body in self._seen() if ref.resource is key.resource and child_name(ref.name) == key.name
        )
        return next((stored_object(body) for body in owners), None)

    def children(self, key: Ref) -> list[Child]:
        return [
            child_of(b) for r, b in self._seen() if r.resource in MODEL_CHILDREN and _label(b, LABEL_MODEL) == key.name
        ]

    def pods(self, key: Ref) -> list[Pod]:
        return [pod_of(b) for r, b in self._seen() if r.resource is POD and _label(b, LABEL_MODEL) == key.name]

    def secrets(self, key: Ref) -> list[KeySecret]:
        return [
            key_secret_of(b, r)
            for r, b in self._seen()
            if r.resource is SECRET and _label(b, LABEL_API_KEY) == key.name
        ]

    def external_models(self) -> list[StoredObject]:
        models = (body for ref, body in self._seen() if ref.resource is MODEL_DEPLOYMENT)
        return [stored_object(body) for body in models if body["spec"]["engine"]["type"] == "external"]

    def claimants(self, name: str) -> list[Claimant]:
        models = (body for ref, body in self._seen() if ref.resource is MODEL_DEPLOYMENT)
        claims = (claim for body in models if (claim := claim_of(body)) is not None)
        return [claim.claimant for claim in claims if name in claim.names]

    def _seen(self) -> list[tuple[Ref, Manifest]]:
        objects = self._cluster.objects if self._frozen is None else self._frozen
        return [(ref, copy.deepcopy(body)) for ref, body in objects.items()]


class FakeGpus:
    """The port ``Gpus``: whether there are any to spare is what ``free`` says."""

    def __init__(self) -> None:
        self.free: bool | None = True
        self.asked: list[GpuRequest] = []

    async def suffice(self, request: GpuRequest) -> bool | None:
        self.asked.append(request)
        return self.free


class FakeRouters:
    """The port ``Routers``: which versions of the provider keys they were to see."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    async def show_provider_keys(self, version: str) -> None:
        self.shown.append(version)


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Fields by their path; items of a list with names are fields of their own, other lists are one value."""
    if isinstance(value, Mapping) and (value or not path):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            yield from _leaves(item, (*path, f"[{item['name']}]"))
    else:
        yield path, copy.deepcopy(value)


def _tree(leaves: Mapping[Path, Any]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, value in leaves.items():
        node = root
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = copy.deepcopy(value)
    return {name: _with_lists(value) for name, value in root.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {name: _with_lists(item) for name, item in value.items()}
    named = bool(items) and all(name.startswith("[") for name in items)
    return list(items.values()) if named else items


def _head(ref: Ref) -> dict[str, Any]:
    head = {"apiVersion": ref.resource.api_version, "kind": ref.resource.kind}
    return {**head, "metadata": {"name": ref.name, "namespace": ref.namespace}}


def _identity(ref: Ref, before: Manifest | None) -> dict[str, Any]:
    kept = ("uid", "resourceVersion", "generation", "managedFields")
    old = (before or {}).get("metadata", {})
    return {"name": ref.name, "namespace": ref.namespace, **{name: old[name] for name in kept if name in old}}


def _content(body: Manifest) -> Any:
    metadata = {k: v for k, v in body["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**body, "metadata": metadata}


def _owner_uid(body: Manifest) -> str | None:
    return next((r["uid"] for r in body["metadata"].get("ownerReferences", ())), None)


def _label(body: Manifest, label: str) -> str | None:
    value = body["metadata"].get("labels", {}).get(label)
    return str(value) if value is not None else None
