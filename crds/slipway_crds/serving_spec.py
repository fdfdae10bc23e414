"""The parts of a ModelDeployment's spec that say how it serves: scale, routing, request limits, lifecycle."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from slipway_crds.base import ApiModel, OpaqueObject, Rule
from slipway_crds.duration import Duration, parse_duration
from slipway_crds.workload_spec import ObjectName, PodTemplate, Resources

MAX_DRAIN_SECONDS: Final = 3600
MAX_STARTUP_SECONDS: Final = 86_400
MIN_IDLE_SECONDS: Final = 1

Count = Annotated[int, Field(ge=0, le=1000, json_schema_extra={"format": "int32"})]
PositiveCount = Annotated[int, Field(ge=1, le=1000, json_schema_extra={"format": "int32"})]
_Tokens = Annotated[int, Field(ge=1, le=10_000_000, json_schema_extra={"format": "int32"})]

CronSchedule = Annotated[str, Field(max_length=64, pattern=r"^\S+( \S+){4}$")]
"""Five fields as in crontab(5), with one space between."""

MetricType = Literal[
    "cpu",
    "memory",
    "gpuUtilization",
    "gpuMemory",
    "inFlight",
    "queueLength",
    "queueWait",
    "tokensPerSecond",
    "cacheUsage",
]


class AutoscalingMetric(ApiModel):
    """One signal that the autoscaler follows, and its target."""

    type: MetricType
    """`cpu`, `memory`, `gpuUtilization`, `gpuMemory`, `cacheUsage` (the engine's key-value cache): average per replica
    in percent. `inFlight`, `queueLength`: average requests per replica. `queueWait`: mean wait in the engine's queue
    in milliseconds. `tokensPerSecond`: average per replica."""
    target: Annotated[int, Field(ge=1, le=100_000, json_schema_extra={"format": "int32"})]
    """Average per replica to aim at: percent, requests, milliseconds or tokens per second, by `type`."""


class ScaleToZero(ApiModel):
    """Sleep when nobody asks."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.idleAfter) || duration(self.idleAfter) >= duration('1s')",
            message="idleAfter must be at least 1s, for example 15m",
            holds=lambda scale: parse_duration(scale.idle_after) >= MIN_IDLE_SECONDS,
        ),
    )

    idle_after: Duration = "15m"
    """How long without a request, since a replica was ready, before the last one goes. Default: 15m."""


class WarmWindow(ApiModel):
    """A time of the week in which a model keeps replicas, whether it is used or not."""

    start: CronSchedule
    """When it begins: minute, hour, day of month, month and day of week, for example `0 8 * * 1-5`."""
    end: CronSchedule
    """When it ends, in the same form, for example `0 18 * * 1-5`."""
    time_zone: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$")] = "Etc/UTC"
    """Of both times, as the IANA names it, for example `Europe/Berlin`. Default: Etc/UTC."""
    min_replicas: PositiveCount = 1
    """Fewest replicas meanwhile. Default: 1."""


class Autoscaling(ApiModel):
    """Replicas by load."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.minReplicas) || self.minReplicas <= self.maxReplicas",
            message="minReplicas must not exceed maxReplicas",
            holds=lambda scaling: scaling.min_replicas <= scaling.max_replicas,
        ),
        Rule(
            cel="!has(self.minReplicas) || self.minReplicas > 0 || has(self.scaleToZero)",
            message="minReplicas 0 needs scaleToZero, for example scaleToZero: {idleAfter: 15m}",
            holds=lambda scaling: scaling.min_replicas > 0 or scaling.scale_to_zero is not None,
        ),
        Rule(
            cel="!has(self.minReplicas) || self.minReplicas <= 1 || !has(self.scaleToZero)",
            message="a model that scales to zero has minReplicas 0 or 1; leave out scaleToZero to keep more running",
            holds=lambda scaling: scaling.min_replicas <= 1 or scaling.scale_to_zero is None,
        ),
        Rule(
            cel="!has(self.warmWindows) || self.warmWindows.all(window, !has(window.minReplicas) || "
            "window.minReplicas <= self.maxReplicas)",
            message="minReplicas of a warm window must not exceed maxReplicas",
            holds=lambda scaling: all(w.min_replicas <= scaling.max_replicas for w in scaling.warm_windows or ()),
        ),
    )

    min_replicas: Count = 1
    """Fewest replicas while awake. With `scaleToZero`, a new model starts asleep if this is 0. Default: 1."""
    max_replicas: PositiveCount
    """Most replicas."""
    metrics: (
        Annotated[
            tuple[AutoscalingMetric, ...],
            Field(
                min_length=1,
                max_length=9,
                json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
            ),
        ]
        | None
    ) = None
    """Signals to follow; the one that asks for most replicas wins. Default: cpu at 80."""
    scale_to_zero: ScaleToZero | None = None
    """Sleep when idle. Left out: never."""
    warm_windows: (
        Annotated[
            tuple[WarmWindow, ...],
            Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
        ]
        | None
    ) = None
    """Times in which more replicas are the fewest. Of several that are open, the largest `minReplicas` counts."""
    behavior: OpaqueObject | None = None
    """`behavior` of a HorizontalPodAutoscaler (autoscaling/v2), passed on as it is. Default: more after 15s of
    need, fewer after 5m without, few at a time."""


class Queue(ApiModel):
    """Requests that wait in the router for a free replica."""

    max_length: Annotated[int, Field(ge=0, le=100_000, json_schema_extra={"format": "int32"})] | None = None
    """Most requests that wait. Default: 1000."""
    timeout: Duration | None = None
    """Longest wait. Default: 5m."""


class Timeouts(ApiModel):
    """How long the router waits for a replica."""

    connect: Duration | None = None
    """For a connection. Default: 5s."""
    first_byte: Duration | None = None
    """For the first byte of the answer. Default: 10m."""
    idle: Duration | None = None
    """Between two bytes of the answer. Default: 2m."""


class Routing(ApiModel):
    """How the router spreads requests over replicas."""

    strategy: Literal["LeastInFlight", "PrefixHash", "SessionAffinity"] | None = None
    """`LeastInFlight`: the replica with fewest running requests. `PrefixHash`: the same prompt beginnings to the same
    replica. `SessionAffinity`: the same session to the same replica. Default: LeastInFlight."""
    max_concurrency: Annotated[int, Field(ge=1, le=100_000, json_schema_extra={"format": "int32"})] | None = None
    """Most requests that one replica works on at once. Default: the engine's."""
    queue: Queue | None = None
    """Requests over that wait here."""
    timeouts: Timeouts | None = None
    """How long the router waits for a replica."""
    retries: Annotated[int, Field(ge=0, le=5, json_schema_extra={"format": "int32"})] | None = None
    """Tries on another replica while nothing was answered yet. Default: 2."""


class RequestDefaults(ApiModel):
    """Parameters of requests that leave them out."""

    max_tokens: _Tokens | None = None
    """Most tokens to generate."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Nucleus sampling."""
    top_k: Annotated[int, Field(ge=-1, le=100_000, json_schema_extra={"format": "int32"})] | None = None
    """Sample from the k likeliest tokens."""
    system_prompt: Annotated[str, Field(max_length=8192)] | None = None
    """System message of chats that have none."""


class RequestLimits(ApiModel):
    """Bounds of what a request may ask for."""

    max_tokens: _Tokens | None = None
    """Most tokens to generate; a request that asks for more gets this many. Default: 2048, or `defaults.maxTokens` if
    that is more, but no more than vllm's `--max-model-len`."""
    max_prompt_tokens: _Tokens | None = None
    """Longest prompt, at four bytes a token; pictures do not count. Longer ones are refused. Default: 8192."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1_073_741_824, json_schema_extra={"format": "int64"})] | None = (
        None
    )
    """Largest request body, in bytes. Default: the router's."""


class ResponseCache(ApiModel):
    """Answers that are kept and given again to equal requests whose answer can only be the same: embeddings and the
    like, and texts with temperature 0, `top_k` 1 or a seed."""

    enabled: bool = True
    """Default: true."""
    ttl: Duration = "1h"
    """How long an answer is kept at most. Default: 1h."""
    scope: Literal["Key", "Shared"] = "Key"
    """`Key`: only the key that asked gets the answer again. `Shared`: every key that may call the model.
    Default: Key."""
    max_entries: Annotated[int, Field(ge=1, le=10_000_000, json_schema_extra={"format": "int32"})] | None = None
    """Most answers of this model that a router keeps. Default: as many as its memory for answers takes."""


class Lifecycle(ApiModel):
    """How replicas start and stop."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"!has(self.drainTimeout) || duration(self.drainTimeout) <= duration('{MAX_DRAIN_SECONDS}s')",
            message="drainTimeout must be at most 1h",
            holds=lambda cycle: parse_duration(cycle.drain_timeout) <= MAX_DRAIN_SECONDS,
        ),
        Rule(
            cel=f"!has(self.startupTimeout) || duration(self.startupTimeout) <= duration('{MAX_STARTUP_SECONDS}s')",
            message="startupTimeout must be at most 24h",
            holds=lambda cycle: parse_duration(cycle.startup_timeout) <= MAX_STARTUP_SECONDS,
        ),
    )

    startup_timeout: Duration = "30m"
    """From the start of the container to ready; longer is a failure. Default: 30m."""
    drain_timeout: Duration = "5m"
    """How long running requests may go on when a replica stops. Default: 5m."""
    suspend: bool = False
    """No replicas, whatever else the spec says; requests are refused. Default: false."""


class Placement(ApiModel):
    """One way to place replicas, tried in order: this GPU, else that one."""

    name: ObjectName
    """Name of the placement, unique in the list."""
    resources: Resources | None = None
    """In place of the spec's resources."""
    template: PodTemplate | None = None
    """Laid over the spec's template."""
    wait: Duration | None = None
    """How long pods may be unschedulable before the next placement is tried. Default: 60s."""
