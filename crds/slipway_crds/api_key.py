"""The custom resource APIKey: who may call what."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from slipway_crds.base import ApiModel, CustomResource, Rule, Timestamp
from slipway_crds.conditions import Condition
from slipway_crds.duration import Duration, parse_duration
from slipway_crds.names import API_VERSION, child_name
from slipway_crds.workload_spec import ObjectName

_Amount = Annotated[int, Field(ge=1, le=10_000_000_000, json_schema_extra={"format": "int64"})]
ModelGlob = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:/*?-]+$")]


class KeyLimits(ApiModel):
    """How much a key may use. A limit left out does not apply."""

    requests_per_minute: _Amount | None = None
    """Requests that start in a minute."""
    tokens_per_minute: _Amount | None = None
    """Tokens, prompt and answer together, in a minute."""
    concurrent_requests: _Amount | None = None
    """Requests that run at once."""
    tokens_per_day: _Amount | None = None
    """Tokens in a day (UTC)."""


class Rotation(ApiModel):
    """A new key, from time to time or at a moment; the old one stays valid for a while."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.overlap) || !has(self.interval) || duration(self.overlap) < duration(self.interval)",
            message="overlap must be shorter than interval",
            holds=lambda rotation: (
                rotation.interval is None or parse_duration(rotation.overlap) < parse_duration(rotation.interval)
            ),
        ),
        Rule(
            cel="!has(self.interval) || duration(self.interval) >= duration('1m')",
            message="interval must be at least 1m",
            holds=lambda rotation: rotation.interval is None or parse_duration(rotation.interval) >= 60,
        ),
        Rule(
            cel="has(self.interval) || has(self.at)",
            message="rotation needs interval, for example 720h, or at, a time such as 2026-01-31T12:00:00Z",
            holds=lambda rotation: rotation.interval is not None or rotation.at is not None,
        ),
    )

    interval: Duration | None = None
    """Age at which a key is replaced, for example `720h`."""
    at: Timestamp | None = None
    """From then on, a key that is older is replaced. Set it to now for a rotation at once."""
    overlap: Duration = "30s"
    """How long the old key stays valid. Default: 30s."""


class APIKeySpec(ApiModel):
    """Who the key belongs to and what it opens."""

    owner: Annotated[str, Field(min_length=1, max_length=253)]
    """Person, team or program that the key is for; appears in usage reports."""
    models: Annotated[tuple[ModelGlob, ...], Field(min_length=1, max_length=64)] = ("*",)
    """Served names that the key opens, as globs: `*` any characters, `?` one. Default: all."""
    limits: KeyLimits | None = None
    """How much the key may use."""
    expires_at: Timestamp | None = None
    """From then on the key is refused."""
    admin: bool = False
    """Whether the key opens the router's admin API. Default: false."""
    secret_name: ObjectName | None = None
    """Secret that gets the key, in the field `key`. Default: the object's name + `-apikey`."""
    rotation: Rotation | None = None
    """Replace the key, from time to time or at a moment."""
    suspend: bool = False
    """Refuse the key until this is false again. Default: false."""


class KeyHash(ApiModel):
    """One key that routers accept, by its hash."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """SHA-256 of the key, hexadecimal."""
    created_at: Timestamp | None = None
    """When the key was made."""
    expires_at: Timestamp | None = None
    """From then on the key is refused; set on the old key of a rotation."""


class APIKeyStatus(ApiModel):
    """What is."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """The `metadata.generation` that this status is of."""
    conditions: (
        Annotated[
            tuple[Condition, ...],
            Field(
                max_length=8,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
            ),
        ]
        | None
    ) = None
    """`Ready` says whether routers accept the key."""
    key_hashes: (
        Annotated[
            tuple[KeyHash, ...],
            Field(
                max_length=4,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["sha256"]},
            ),
        ]
        | None
    ) = None
    """The keys that routers accept: one, or two during a rotation."""
    secret_name: Annotated[str, Field(max_length=253)] | None = None
    """Secret that holds the key."""


class APIKey(CustomResource):
    """A key for callers: the models it opens and how much it may use."""

    kind_name: ClassVar[str] = "APIKey"
    plural: ClassVar[str] = "apikeys"
    short_names: ClassVar[tuple[str, ...]] = ("sakey",)
    printer_columns: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "OWNER", "type": "string", "jsonPath": ".spec.owner"},
        {"name": "SECRET", "type": "string", "jsonPath": ".status.secretName"},
        {"name": "READY", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "REASON", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
        {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "EXPIRES", "type": "string", "jsonPath": ".spec.expiresAt", "priority": 1},
    )

    api_version: Literal["slipway.dev/v1alpha1"] = API_VERSION
    kind: Literal["APIKey"] = "APIKey"
    spec: APIKeySpec
    status: APIKeyStatus = APIKeyStatus()

    @property
    def secret_name(self) -> str:
        """Name of the Secret that gets the key."""
        return self.spec.secret_name or child_name(self.metadata.name, "-apikey")
