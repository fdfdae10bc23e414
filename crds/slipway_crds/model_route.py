"""The custom resource ModelRoute: a virtual model name over other models."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from slipway_crds.base import ApiModel, CustomResource, Rule
from slipway_crds.conditions import Condition
from slipway_crds.names import API_VERSION
from slipway_crds.workload_spec import ObjectName, ServedName

_Weight = Annotated[int, Field(ge=0, le=1000, json_schema_extra={"format": "int32"})]


class Backend(ApiModel):
    """One model that gets a share of the requests."""

    model: ServedName
    """Served name of the model."""
    weight: _Weight = 1
    """Share of the requests, relative to the other backends. Default: 1."""


class HeaderMatch(ApiModel):
    """A header and the value it must have."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9-]+$")]
    """Name of the header."""
    value: Annotated[str, Field(max_length=1024)]
    """Its exact value."""


class RouteMatch(ApiModel):
    """Requests that a rule is for; all that is set must hold."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.headers) || has(self.apiKeys)",
            message="match needs headers or apiKeys; leave match out to match every request",
            holds=lambda match: match.headers is not None or match.api_keys is not None,
        ),
    )

    headers: Annotated[tuple[HeaderMatch, ...], Field(min_length=1, max_length=8)] | None = None
    """Headers of the request."""
    api_keys: Annotated[tuple[ObjectName, ...], Field(min_length=1, max_length=32)] | None = None
    """Names of APIKeys."""


class RouteRule(ApiModel):
    """Where matching requests go."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.backends.exists(backend, !has(backend.weight) || backend.weight > 0)",
            message="at least one backend needs a weight above 0",
            holds=lambda rule: any(backend.weight > 0 for backend in rule.backends),
        ),
    )

    match: RouteMatch | None = None
    """Requests that the rule is for. Left out: all."""
    backends: Annotated[
        tuple[Backend, ...],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["model"]},
        ),
    ]
    """Models that share the requests by weight; a caller's key stays with one."""
    fallbacks: Annotated[tuple[ServedName, ...], Field(min_length=1, max_length=8)] | None = None
    """Models tried in order when the chosen backend cannot serve."""


class ModelRouteSpec(ApiModel):
    """The virtual name and its rules."""

    served_names: (
        Annotated[
            tuple[ServedName, ...],
            Field(min_length=1, max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Names by which callers ask. Default: the object's name."""
    route_rules: Annotated[tuple[RouteRule, ...], Field(alias="rules", min_length=1, max_length=16)]
    """Tried in order; the first that matches decides."""


class ModelRouteStatus(ApiModel):
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
    """`Accepted` says whether routers follow the route."""


class ModelRoute(CustomResource):
    """A virtual model name: weighted backends, matches, fallbacks."""

    kind_name: ClassVar[str] = "ModelRoute"
    plural: ClassVar[str] = "modelroutes"
    short_names: ClassVar[tuple[str, ...]] = ("mroute",)
    printer_columns: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "ACCEPTED", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Accepted")].status'},
        {"name": "REASON", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Accepted")].reason'},
        {"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    )

    api_version: Literal["slipway.dev/v1alpha1"] = API_VERSION
    kind: Literal["ModelRoute"] = "ModelRoute"
    spec: ModelRouteSpec
    status: ModelRouteStatus = ModelRouteStatus()
