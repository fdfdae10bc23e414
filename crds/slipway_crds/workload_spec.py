"""The parts of a ModelDeployment's spec that say what runs: weights, engine, resources, cache, pod overlay."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, WithJsonSchema

from slipway_crds.base import ApiModel, OpaqueObject, Quantity, Rule
from slipway_crds.engines import EngineType

_SOURCE_FORMS: Final = (
    "hf://org/repo[@revision], s3://bucket/path, gs://bucket/path, http(s)://host/path, pvc://claim/path, "
    "file:///path, oci://registry/image or demo://name"
)
_SOURCE: Final = r"^(hf|s3|gs|http|https|pvc|file|oci|demo)://[^\\s]+$"
_HF: Final = r"^hf://[^/@\\s]+/[^/@\\s]+(@[^/@\\s]+)?(/[^\\s]+)?$"
_PVC: Final = r"^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[^\\s]*)?$"
_FILE: Final = r"^file:///[^\\s]+$"


def _matches(cel_pattern: str, text: str) -> bool:
    return re.fullmatch(cel_pattern.replace(r"\\s", r"\s"), text) is not None


def _uri_rule(message: str) -> Rule:
    return Rule(
        cel=f"self.source.matches('{_SOURCE}')",
        message=f"{message}; write one of {_SOURCE_FORMS}",
        holds=lambda owner: _matches(_SOURCE, owner.source),
    )


def _form_rule(scheme: str, pattern: str, message: str) -> Rule:
    return Rule(
        cel=f"!self.source.startsWith('{scheme}://') || self.source.matches('{pattern}')",
        message=message,
        holds=lambda model: not model.source.startswith(f"{scheme}://") or _matches(pattern, model.source),
    )


ServedName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]


class ModelSource(ApiModel):
    """Where the weights come from and what callers call the model."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _uri_rule("source must be a URI"),
        _form_rule("hf", _HF, "an hf source must be hf://org/repo[@revision][/file], for example hf://Qwen/Qwen3-8B"),
        _form_rule("pvc", _PVC, "a pvc source must be pvc://claim-name/path/in/the/volume"),
        _form_rule("file", _FILE, "a file source must be an absolute path: file:///models/name"),
    )

    source: Annotated[str, Field(min_length=5, max_length=2048)]
    """URI of the weights: `hf://org/repo[@revision]`, `s3://`, `gs://`, `http(s)://`, `pvc://claim/path`, `file:///path`,
    `oci://` or `demo://name`. For the engine `external`, the provider's base URL."""
    served_names: (
        Annotated[
            tuple[ServedName, ...],
            Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Names by which callers ask for the model. Default: the object's name."""


class Adapter(ApiModel):
    """A LoRA adapter that is served on the model's weights, as a model of its own."""

    rules: ClassVar[tuple[Rule, ...]] = (_uri_rule("an adapter comes from a URI"),)

    name: ServedName
    """Name by which callers ask for the model with this adapter."""
    source: Annotated[str, Field(min_length=5, max_length=2048)]
    """URI of the adapter's folder (`adapter_config.json` and its weights), in the forms of `spec.model.source`."""


class EnvFieldRef(ApiModel):
    """One key of a Secret or ConfigMap."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """Key in it."""
    optional: bool | None = None
    """Start without it when it is missing. Default: false."""


class EnvSource(ApiModel):
    """Where the value of an environment variable comes from."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.secretKeyRef) != has(self.configMapKeyRef)",
            message="valueFrom takes exactly one of secretKeyRef and configMapKeyRef",
            holds=lambda source: (source.secret_key_ref is None) != (source.config_map_key_ref is None),
        ),
    )

    secret_key_ref: EnvFieldRef | None = None
    """A key of a Secret in the same namespace."""
    config_map_key_ref: EnvFieldRef | None = None
    """A key of a ConfigMap in the same namespace."""


class EnvVar(ApiModel):
    """One environment variable of the engine."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!(has(self.value) && has(self.valueFrom))",
            message="an environment variable takes value or valueFrom, not both",
            holds=lambda var: var.value is None or var.value_from is None,
        ),
        Rule(
            cel="!self.name.startsWith('SLIPWAY_')",
            message="names that start with SLIPWAY_ are Slipway's own; set the field of the spec that they come from",
            holds=lambda var: not var.name.startswith("SLIPWAY_"),
        ),
    )

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Its value, in clear text. Secrets go by `valueFrom`."""
    value_from: EnvSource | None = None
    """Where its value comes from."""


class EngineSpec(ApiModel):
    """What runs the model, and how."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.authSecret) || self.type == 'external'",
            message="authSecret is for engine.type external; other engines get secrets by env[].valueFrom.secretKeyRef",
            holds=lambda engine: engine.auth_secret is None or engine.type is EngineType.EXTERNAL,
        ),
        Rule(
            cel="!has(self.upstreamModel) || self.type == 'external'",
            message="upstreamModel is for engine.type external; name other models by spec.model.servedNames",
            holds=lambda engine: engine.upstream_model is None or engine.type is EngineType.EXTERNAL,
        ),
    )

    type: EngineType
    """The engine."""
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Image to run in place of Slipway's runtime image for the engine."""
    args: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=64)] | None = None
    """Arguments for the engine, in its own words, for example `--max-model-len=8192`."""
    env: (
        Annotated[
            tuple[EnvVar, ...],
            Field(
                max_length=64,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            ),
        ]
        | None
    ) = None
    """Environment variables for the engine."""
    auth_secret: EnvFieldRef | None = None
    """For `external`: the key of a Secret that holds the provider's API key."""
    upstream_model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """For `external`: the provider's name for the model. Default: the name that the caller used."""


class Gpu(ApiModel):
    """GPUs for each replica."""

    count: Annotated[int, Field(ge=0, le=64, json_schema_extra={"format": "int32"})] = 1
    """How many. Default: 1."""
    resource: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] = (
        "nvidia.com/gpu"
    )
    """Name of the extended resource, for example `nvidia.com/gpu`, `nvidia.com/mig-3g.40gb`, `amd.com/gpu`.
    Default: nvidia.com/gpu."""


ResourceMap = Annotated[dict[str, Quantity], Field(max_length=16)]


class Resources(ApiModel):
    """What each replica gets."""

    gpu: Gpu | None = None
    """GPUs. Left out: none."""
    requests: ResourceMap | None = None
    """Ordinary requests, as in a pod: `cpu`, `memory`, `ephemeral-storage` …"""
    limits: ResourceMap | None = None
    """Ordinary limits, as in a pod."""


class Cache(ApiModel):
    """A volume for weights that outlives pods and is shared by replicas."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.size) != has(self.existingClaim)",
            message="cache takes size (a claim is made) or existingClaim (yours is used), exactly one of them",
            holds=lambda cache: (cache.size is None) != (cache.existing_claim is None),
        ),
        Rule(
            cel="!has(self.existingClaim) || (!has(self.storageClassName) && !has(self.accessModes))",
            message="storageClassName and accessModes describe a claim to be made; leave them out beside existingClaim",
            holds=lambda c: c.existing_claim is None or (c.storage_class_name is None and c.access_modes is None),
        ),
        Rule(
            cel="!has(oldSelf.storageClassName) || (has(self.storageClassName) && self.storageClassName == "
            "oldSelf.storageClassName)",
            message="storageClassName of an existing claim cannot change; make a new ModelDeployment",
        ),
    )

    size: Quantity | None = None
    """Size of the claim to make, for example `100Gi`."""
    existing_claim: ObjectName | None = None
    """Name of a claim in the same namespace."""
    storage_class_name: ObjectName | None = None
    """Storage class of the claim to make. Default: the cluster's."""
    access_modes: (
        Annotated[
            tuple[Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"], ...], Field(min_length=1, max_length=3)
        ]
        | None
    ) = None
    """Access modes of the claim to make. Default: ReadWriteMany when more than one replica may
    run, else ReadWriteOnce."""


_OpaqueList = Annotated[
    tuple[dict[str, Any], ...],
    WithJsonSchema(
        {
            "type": "array",
            "maxItems": 32,
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        }
    ),
]
_StringMap = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64)]


class PodTemplate(ApiModel):
    """Overlay on the pods: fields of the Pod API, checked by the API server when pods are made."""

    labels: _StringMap | None = None
    """More labels for the pods."""
    annotations: _StringMap | None = None
    """Annotations for the pods."""
    node_selector: _StringMap | None = None
    """Labels a node must have."""
    tolerations: _OpaqueList | None = None
    """Taints the pods tolerate."""
    affinity: OpaqueObject | None = None
    """Node and pod affinity."""
    topology_spread_constraints: _OpaqueList | None = None
    """How replicas spread over the cluster."""
    runtime_class_name: ObjectName | None = None
    """Container runtime, for example `nvidia`."""
    priority_class_name: ObjectName | None = None
    """Scheduling priority."""
    scheduler_name: ObjectName | None = None
    """Scheduler to use."""
    service_account_name: ObjectName | None = None
    """An existing ServiceAccount in place of the one that Slipway makes."""
    image_pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=16)] | None = None
    """Names of Secrets for pulling images."""
    volumes: _OpaqueList | None = None
    """More volumes."""
    volume_mounts: _OpaqueList | None = None
    """Where the engine's container mounts them."""
    security_context: OpaqueObject | None = None
    """Pod security context, laid over Slipway's restricted one."""
    container_security_context: OpaqueObject | None = None
    """Container security context, laid over Slipway's restricted one."""
