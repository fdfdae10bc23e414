"""What the operator sees of the cluster, reduced to what it decides by.

The watches keep these in memory for every object, so each holds little: a child's fields are kept as JSON text, a
Secret only as the hash of its key.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from slipway_crds.cold_start import ColdStart
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import FIELD_MANAGER_OPERATOR, GROUP
from slipway_operator.domain.activation import Activation, as_scheduled
from slipway_operator.domain.devices import Fleet
from slipway_operator.domain.metrics_api.state import Keda, RegistrationState
from slipway_operator.domain.pods import Diagnosis, Pod
from slipway_operator.domain.resources import DEPLOYMENT, MODEL_CHILDREN, Ref, Resource

ANNOTATION_HASH: Final = f"{GROUP}/applied-hash"
"""Hash of the manifest that was applied, on every child; shows that a field was taken out of the manifest."""
SECRET_KEY_FIELD: Final = "key"

_RESOURCES: Final = {(resource.api_version, resource.kind): resource for resource in MODEL_CHILDREN}
_METADATA_KEPT: Final = ("labels", "annotations", "ownerReferences")
_TOP_LEVEL_DROPPED: Final = frozenset({"apiVersion", "kind", "metadata", "status"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A custom resource as the API server has it."""

    body: Mapping[str, Any]
    """All of it but ``metadata.managedFields``."""

    @property
    def uid(self) -> str:
        """Its identity; another object with the same name has another one."""
        return str(self.body["metadata"]["uid"])

    @property
    def resource_version(self) -> str:
        """Changes with every write."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def status(self) -> Mapping[str, Any]:
        """Its status, empty when there is none yet."""
        status: Mapping[str, Any] = self.body.get("status") or {}
        return status


@dataclass(frozen=True, slots=True)
class Child:
    """A live object that the operator made."""

    ref: Ref
    uid: str
    resource_version: str
    owner_uid: str | None
    """Of the object that controls it."""
    generation: int
    """Changes with its spec; 0 for kinds that have none."""
    deleting: bool
    applied_hash: str
    owns_replicas: bool
    """Whether ``spec.replicas`` is a field that the operator applied."""
    fields: bytes
    """All but its identity and status, as JSON."""
    status: Mapping[str, Any]

    def live_fields(self) -> dict[str, Any]:
        """The fields that a manifest can say."""
        fields: dict[str, Any] = json.loads(self.fields)
        return fields


@dataclass(frozen=True, slots=True)
class KeySecret:
    """A Secret that holds the key of an APIKey."""

    ref: Ref
    uid: str
    resource_version: str
    owner_uid: str | None
    key_sha256: str | None
    """None when the field is missing or empty."""
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    """One ModelDeployment and everything that belongs to it."""

    model: ModelDeployment
    children: tuple[Child, ...]
    pods: tuple[Pod, ...]
    fleet: Fleet = field(default_factory=Fleet)
    """What the ready ones of ``pods`` compute on."""
    activation: Activation = field(default_factory=Activation)
    """Whether the model is to be awake now."""
    metrics_api: RegistrationState | None = None
    """Whether autoscalers reach the installation's metrics API; None when it has none."""
    cold_start: ColdStart | None = None
    """How the model starts, or did the last time."""
    refused: Diagnosis | None = None
    """Why the model may not run whatever the cluster has; nothing is made for it then, and nothing taken away."""
    keda: Keda | None = None
    """None where KEDA does not scale models."""

    room: bool | None = None
    """Whether there are GPUs for a replica beside the old ones; None while nobody needs to know, or can."""

    @property
    def has_keda(self) -> bool:
        """Whether KEDA scales models."""
        return self.keda is not None and self.keda.served

    @property
    def has_pod_metrics(self) -> bool:
        """Whether autoscalers can follow what pods tell: by a metrics API, reached or not, or by KEDA."""
        return self.metrics_api is not None or self.has_keda

    @property
    def scheduled(self) -> ModelDeployment:
        """The model with the fewest replicas that warm windows ask for now."""
        return as_scheduled(self.model, self.activation)

    def child(self, resource: Resource) -> Child | None:
        """The child of a kind, if it is there and belongs to the model."""
        ours = (child for child in self.children if child.owner_uid == self.model.metadata.uid)
        return next((child for child in ours if child.ref.resource is resource), None)

    @property
    def replicas(self) -> int | None:
        """What the Deployment asks for; None when there is none."""
        child = self.child(DEPLOYMENT)
        return None if child is None else int(child.live_fields()["spec"].get("replicas", 1))


def stored_object(body: Mapping[str, Any]) -> StoredObject:
    """The part of a custom resource that is kept in memory."""
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return StoredObject({**body, "metadata": metadata})


def child_of(body: Mapping[str, Any]) -> Child:
    """The part of a child that is kept in memory.

    Raises:
        KeyError: ``body`` is of a kind that models do not have as children.
    """
    metadata = body["metadata"]
    resource = _RESOURCES[body["apiVersion"], body["kind"]]
    fields = {name: value for name, value in body.items() if name not in _TOP_LEVEL_DROPPED}
    fields["metadata"] = {name: metadata[name] for name in _METADATA_KEPT if name in metadata}
    return Child(
        ref=Ref(resource, metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        owner_uid=_controller_uid(metadata),
        generation=metadata.get("generation", 0),
        deleting="deletionTimestamp" in metadata,
        applied_hash=metadata.get("annotations", {}).get(ANNOTATION_HASH, ""),
        owns_replicas=_owns_replicas(metadata),
        fields=json.dumps(fields, separators=(",", ":")).encode(),
        status=dict(body.get("status") or {}),
    )


def key_secret_of(body: Mapping[str, Any], ref: Ref) -> KeySecret:
    """The part of a Secret that is kept in memory: never the key itself."""
    metadata = body["metadata"]
    encoded = (body.get("data") or {}).get(SECRET_KEY_FIELD, "")
    key = base64.b64decode(encoded)
    return KeySecret(
        ref=ref,
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        owner_uid=_controller_uid(metadata),
        key_sha256=hashlib.sha256(key).hexdigest() if key else None,
        annotations=dict(metadata.get("annotations") or {}),
    )


def _controller_uid(metadata: Mapping[str, Any]) -> str | None:
    references = metadata.get("ownerReferences") or ()
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def _owns_replicas(metadata: Mapping[str, Any]) -> bool:
    return any(
        entry.get("manager") == FIELD_MANAGER_OPERATOR
        and entry.get("operation") == "Apply"
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in metadata.get("managedFields") or ()
    )
