"""The custom resource ModelDeployment: one model, served."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from slipway_crds.base import ApiModel, CustomResource, MicroTimestamp, Rule
from slipway_crds.cold_start import ColdStart
from slipway_crds.conditions import Condition
from slipway_crds.engines import ENGINES, EngineType, Task
from slipway_crds.names import API_VERSION
from slipway_crds.serving_spec import (
    Autoscaling,
    Count,
    Lifecycle,
    Placement,
    RequestDefaults,
    RequestLimits,
    ResponseCache,
    Routing,
)
from slipway_crds.workload_spec import Adapter, Cache, EngineSpec, ModelSource, PodTemplate, Resources

_NAME: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
_ONLY_PODS: Final = "an external model has no pods: leave out replicas, autoscaling, resources, cache and placements"


def _task_rule(engine: EngineType) -> Rule:
    possible = sorted(ENGINES[engine].tasks)
    listed = ", ".join(f"'{task}'" for task in possible)
    return Rule(
        cel=f"self.engine.type != '{engine}' || !has(self.tasks) || self.tasks.all(task, task in [{listed}])",
        message=f"engine {engine} can do these tasks: {', '.join(possible)}",
        holds=lambda spec: spec.engine.type is not engine or set(spec.tasks or ()) <= ENGINES[engine].tasks,
    )


def _external_has_no_pods(spec: "ModelDeploymentSpec") -> bool:
    pod_fields = (spec.replicas, spec.autoscaling, spec.resources, spec.cache, spec.placements)
    return spec.engine.type is not EngineType.EXTERNAL or all(field is None for field in pod_fields)


def _tokens_within_limit(spec: "ModelDeploymentSpec") -> bool:
    default = spec.defaults.max_tokens if spec.defaults else None
    limit = spec.limits.max_tokens if spec.limits else None
    return default is None or limit is None or default <= limit


def _adapters_apart(spec: "ModelDeploymentSpec") -> bool:
    return not {adapter.name for adapter in spec.adapters or ()} & set(spec.model.served_names or ())


class ModelDeploymentSpec(ApiModel):
    """What to serve and how."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!(has(self.replicas) && has(self.autoscaling))",
            message="replicas and autoscaling exclude each other; keep replicas for a fixed number",
            holds=lambda spec: spec.replicas is None or spec.autoscaling is None,
        ),
        Rule(
            cel="self.engine.type != 'external' || self.model.source.matches('^https?://')",
            message="an external model's source is the provider's base URL, for example https://api.example.com/v1",
            holds=lambda spec: (
                spec.engine.type is not EngineType.EXTERNAL or spec.model.source.startswith(("http://", "https://"))
            ),
        ),
        Rule(
            cel="self.engine.type != 'external' || !(has(self.replicas) || has(self.autoscaling) || "
            "has(self.resources) || has(self.cache) || has(self.placements))",
            message=_ONLY_PODS,
            holds=_external_has_no_pods,
        ),
        Rule(
            cel="!has(self.defaults) || !has(self.defaults.maxTokens) || !has(self.limits) || "
            "!has(self.limits.maxTokens) || self.defaults.maxTokens <= self.limits.maxTokens",
            message="defaults.maxTokens must not exceed limits.maxTokens",
            holds=_tokens_within_limit,
        ),
        Rule(
            cel="!has(self.adapters) || self.engine.type == 'vllm'",
            message="adapters are served by engine vllm only; merge them into the weights for other engines",
            holds=lambda spec: spec.adapters is None or spec.engine.type is EngineType.VLLM,
        ),
        Rule(
            cel="!has(self.adapters) || !has(self.model.servedNames) || "
            "self.adapters.all(adapter, !(adapter.name in self.model.servedNames))",
            message="an adapter's name must differ from model.servedNames: it is a model of its own for callers",
            holds=_adapters_apart,
        ),
        *(_task_rule(engine) for engine in EngineType if ENGINES[engine].tasks != frozenset(Task)),
    )

    model: ModelSource
    """The weights and the names callers use."""
    engine: EngineSpec
    """What runs the model."""
    tasks: (
        Annotated[
            tuple[Task, ...], Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})
        ]
        | None
    ) = None
    """What callers may ask of the model. Default: by engine."""
    adapters: (
        Annotated[
            tuple[Adapter, ...],
            Field(
                min_length=1,
                max_length=32,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            ),
        ]
        | None
    ) = None
    """LoRA adapters on the model's weights, each a model of its own for callers; `vllm` only."""
    resources: Resources | None = None
    """What each replica gets."""
    placements: (
        Annotated[
            tuple[Placement, ...],
            Field(
                min_length=1,
                max_length=8,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            ),
        ]
        | None
    ) = None
    """Ways to place replicas, tried in order while one cannot be scheduled."""
    replicas: Count | None = None
    """A fixed number of replicas. Default: 1, unless `autoscaling` is set."""
    autoscaling: Autoscaling | None = None
    """Replicas by load, down to zero if asked for."""
    routing: Routing | None = None
    """How the router spreads requests."""
    defaults: RequestDefaults | None = None
    """Parameters of requests that leave them out."""
    limits: RequestLimits | None = None
    """Bounds of what a request may ask for."""
    response_cache: ResponseCache | None = None
    """Answers to equal requests, kept by the router. Left out: none are."""
    cache: Cache | None = None
    """A volume for the weights. Left out: each pod fetches its own."""
    lifecycle: Lifecycle = Lifecycle()
    """How replicas start and stop."""
    template: PodTemplate | None = None
    """Overlay on the pods."""


SeenCount = Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})]


class Demand(ApiModel):
    """What routers saw; written by the router alone."""

    last_active_at: MicroTimestamp | None = None
    """When a request for the model last ran or waited."""
    waiting: SeenCount | None = None
    """Requests that wait for a replica."""


class ModelDeploymentStatus(ApiModel):
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
    """`Ready` says whether the model can serve and, if not, the root cause."""
    replicas: SeenCount | None = None
    """Pods that exist; while a new version rolls out, more than the spec asks for."""
    ready_replicas: SeenCount | None = None
    """Pods that serve."""
    ready: Annotated[str, Field(max_length=16)] | None = None
    """Ready of wanted replicas, for example `1/2`."""
    selector: Annotated[str, Field(max_length=512)] | None = None
    """Label selector of the pods."""
    url: Annotated[str, Field(max_length=2048)] | None = None
    """Address of the model inside the cluster."""
    image: Annotated[str, Field(max_length=512)] | None = None
    """Image that the pods run."""
    device: Annotated[str, Field(max_length=32)] | None = None
    """What ready pods compute on: `cpu` or `cuda`."""
    asleep_since: MicroTimestamp | None = None
    """Since when the model has no replica because nobody asked; left out while it is awake."""
    cold_start: ColdStart | None = None
    """How the model starts or, while it does not, how it started the last time."""
    demand: Demand | None = None
    """What routers saw."""


class ModelDeployment(CustomResource):
    """A model that Slipway serves: weights, engine, replicas, and how requests reach it."""

    kind_name: ClassVar[str] = "ModelDeployment"
    plural: ClassVar[str] = "modeldeployments"
    short_names: ClassVar[tuple[str, ...]] = ("mdep",)
    scale: ClassVar[dict[str, str] | None] = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    printer_columns: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "MODEL", "type": "string", "jsonPath": ".spec.model.source"},
        {"name": "ENGINE", "type": "string", "jsonPath": ".spec.engine.type"},
        {"name": "READY", "type": "string", "jsonPath": ".status.ready"},
        {"name": "REASON", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
        {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "URL", "type": "string", "jsonPath": ".status.url", "priority": 1},
        {"name": "GPU", "type": "integer", "jsonPath": ".spec.resources.gpu.count", "priority": 1},
        {"name": "DEVICE", "type": "string", "jsonPath": ".status.device", "priority": 1},
        {"name": "IMAGE", "type": "string", "jsonPath": ".status.image", "priority": 1},
        {
            "name": "MESSAGE",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].message',
            "priority": 1,
        },
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.metadata.name.matches('{_NAME}')",
            message="the name becomes a Service's: lower-case letters, digits and '-', starting with a letter",
            holds=lambda mdep: re.fullmatch(_NAME, mdep.metadata.name) is not None,
        ),
    )

    api_version: Literal["slipway.dev/v1alpha1"] = API_VERSION
    kind: Literal["ModelDeployment"] = "ModelDeployment"
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()

    @property
    def served_names(self) -> tuple[str, ...]:
        """The names by which callers ask for the model."""
        return self.spec.model.served_names or (self.metadata.name,)

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """The names by which callers ask for the model with one of its adapters."""
        return tuple(adapter.name for adapter in self.spec.adapters or ())

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What callers may ask of the model."""
        return self.spec.tasks or ENGINES[self.spec.engine.type].default_tasks
