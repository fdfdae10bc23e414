"""From Kubernetes objects to what the router knows: models with their replicas, and accepted keys."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from slipway_crds.api_key import APIKey, KeyLimits
from slipway_crds.conditions import ConditionType, Reason
from slipway_crds.duration import parse_duration
from slipway_crds.engines import ENGINES
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import DATA_PORT_NAME, child_name
from slipway_crds.serving_spec import Queue, Routing, ScaleToZero, Timeouts
from slipway_router.domain.callers.keys import NO_LIMITS, Caller, Key, KeyRing, Limits
from slipway_router.domain.models.catalogue import DEFAULT_POLICY, CallPolicy, Catalogue, Endpoint, Model, operations_of
from slipway_router.domain.models.provider import Provider
from slipway_router.domain.requests.policy import request_policy_of

ServiceKey = tuple[str, str]
"""Namespace and name of a Service."""

_UNDER_WAY: Final = frozenset(
    {
        None,
        Reason.READY,
        Reason.PARTIALLY_READY,
        Reason.CPU_FALLBACK,
        Reason.PENDING,
        Reason.STARTING,
        Reason.ROLLING_OUT,
    }
)
"""Reasons of ``Ready`` with which a replica comes, or comes back, by itself."""
_WHEN_WANTED: Final = frozenset({Reason.SCALED_TO_ZERO, Reason.UNSCHEDULABLE})
"""With these, one comes if the model wakes on demand: nodes may have to be made for it first."""
_STARTING: Final = "starting"
_PHASES: Final = {
    Reason.SCALED_TO_ZERO: "asleep",
    Reason.SUSPENDED: "suspended",
    Reason.PENDING: _STARTING,
    Reason.STARTING: _STARTING,
    Reason.ROLLING_OUT: _STARTING,
}


def catalogue_of(
    deployments: Iterable[ModelDeployment], slices: Mapping[ServiceKey, Sequence[Mapping[str, Any]]]
) -> Catalogue:
    """The catalogue of all ModelDeployments; ``slices`` are the EndpointSlices of each Service."""
    return Catalogue.of(
        model_of(deployment, endpoints_of(slices.get(service_of(deployment), ())))
        for deployment in deployments
        if deployment.metadata.deletion_timestamp is None
    )


def service_of(deployment: ModelDeployment) -> ServiceKey:
    """The Service in front of a ModelDeployment's pods."""
    return deployment.metadata.namespace, child_name(deployment.metadata.name)


def model_of(deployment: ModelDeployment, endpoints: tuple[Endpoint, ...]) -> Model:
    """One model. Its state comes from the ``Ready`` condition, whether it serves from its endpoints."""
    created = deployment.metadata.creation_timestamp
    reason = _reason(deployment)
    scaling = deployment.spec.autoscaling
    scale = scaling.scale_to_zero if scaling is not None else None
    provider = None
    if not ENGINES[deployment.spec.engine.type].in_pod:
        try:
            provider = provider_of(deployment)
        except ValueError:
            reason = Reason.INVALID_CONFIGURATION
        endpoints = () if provider is None else (Endpoint(provider.host, provider.port, provider.tls),)
    if deployment.spec.lifecycle.suspend:
        # Pods that are on their way out could still answer.
        reason, endpoints = Reason.SUSPENDED, ()
    return Model(
        name=deployment.metadata.name,
        namespace=deployment.metadata.namespace,
        served_names=deployment.served_names,
        tasks=frozenset(deployment.tasks),
        operations=operations_of(deployment.spec.engine.type, deployment.tasks),
        adapters=deployment.adapter_names,
        engine=deployment.spec.engine.type,
        provider=provider,
        created=int(created.timestamp()) if created is not None else 0,
        endpoints=endpoints,
        wakeable=provider is None and _may_come(reason, scale),
        sleep_after=parse_duration(scale.idle_after) if scale is not None else None,
        last_active=_last_active(deployment),
        phase=_phase(deployment, reason),
        start_seconds=_start_seconds(deployment),
        device=deployment.status.device or "",
        reason="" if reason in (None, Reason.READY) else str(reason),
        policy=policy_of(deployment.spec.routing),
        requests=request_policy_of(deployment),
    )


def _may_come(reason: Reason | None, scale: ScaleToZero | None) -> bool:
    """Whether a request may wait for a replica of a model with this reason."""
    return reason in _UNDER_WAY or (scale is not None and reason in _WHEN_WANTED)


def _last_active(deployment: ModelDeployment) -> float:
    demand = deployment.status.demand
    return demand.last_active_at.timestamp() if demand is not None and demand.last_active_at is not None else 0.0


def _phase(deployment: ModelDeployment, reason: Reason | None) -> str:
    """What the condition says and, of a model that starts, how far it is."""
    phase = _PHASES.get(reason, "") if reason is not None else ""
    start = deployment.status.cold_start
    return start.phase if phase == _STARTING and start is not None and start.phase else phase


def _start_seconds(deployment: ModelDeployment) -> tuple[tuple[str, float], ...]:
    start = deployment.status.cold_start
    return tuple(start.seconds.items()) if start is not None and start.is_finished else ()


def provider_of(deployment: ModelDeployment) -> Provider:
    """Who serves an external model. The operator puts its key under ``namespace.name``.

    Raises:
        ValueError: the source is no base URL.
    """
    spec, metadata = deployment.spec, deployment.metadata
    auth = spec.engine.auth_secret
    return Provider.at(
        spec.model.source,
        model=spec.engine.upstream_model or "",
        key_name=f"{metadata.namespace}.{metadata.name}" if auth is not None else "",
        key_optional=auth is not None and bool(auth.optional),
    )


def _reason(deployment: ModelDeployment) -> Reason | None:
    for condition in deployment.status.conditions or ():
        if condition.type == ConditionType.READY and condition.reason in Reason.__members__.values():
            return Reason(condition.reason)
    return None


def policy_of(routing: Routing | None) -> CallPolicy:
    """``spec.routing`` with the router's defaults in the gaps."""
    if routing is None:
        return DEFAULT_POLICY
    timeouts, queue = routing.timeouts or Timeouts(), routing.queue or Queue()
    return CallPolicy(
        connect_timeout=_seconds(timeouts.connect, DEFAULT_POLICY.connect_timeout),
        first_byte_timeout=_seconds(timeouts.first_byte, DEFAULT_POLICY.first_byte_timeout),
        idle_timeout=_seconds(timeouts.idle, DEFAULT_POLICY.idle_timeout),
        retries=DEFAULT_POLICY.retries if routing.retries is None else routing.retries,
        hold_timeout=_seconds(queue.timeout, DEFAULT_POLICY.hold_timeout),
        hold_length=DEFAULT_POLICY.hold_length if queue.max_length is None else queue.max_length,
    )


def _seconds(duration: str | None, default: float) -> float:
    return default if duration is None else parse_duration(duration)


def endpoints_of(slices: Iterable[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    """The replicas that take requests, of all slices of one Service (``discovery.k8s.io/v1``).

    As kube-proxy does: ready ones and, only if there is none, those that terminate but still serve.
    """
    ready: set[Endpoint] = set()
    leaving: set[Endpoint] = set()
    for piece in slices:
        port = _data_port(piece)
        if port is None or piece.get("addressType") == "FQDN":
            continue
        for entry in piece.get("endpoints") or ():
            conditions = entry.get("conditions") or {}
            # Absent means ready (discovery/v1: "nil should be interpreted as true").
            is_ready = conditions.get("ready") is not False
            still_serves = conditions.get("serving") is True and conditions.get("terminating") is True
            if is_ready:
                ready.add(Endpoint(entry["addresses"][0], port))
            elif still_serves:
                leaving.add(Endpoint(entry["addresses"][0], port))
    return tuple(sorted(ready or leaving))


def _data_port(piece: Mapping[str, Any]) -> int | None:
    for port in piece.get("ports") or ():
        if port.get("name") == DATA_PORT_NAME and port.get("port") is not None:
            return int(port["port"])
    return None


def key_ring_of(api_keys: Iterable[APIKey]) -> KeyRing:
    """Every key that is accepted, or will be until it expires."""
    return KeyRing.of(pair for api_key in api_keys for pair in _keys_of(api_key))


def _keys_of(api_key: APIKey) -> Iterable[tuple[str, Key]]:
    spec, metadata = api_key.spec, api_key.metadata
    if spec.suspend or metadata.deletion_timestamp is not None:
        return
    limits = limits_of(spec.limits) if spec.limits is not None else NO_LIMITS
    name = f"{metadata.namespace}/{metadata.name}"
    caller = Caller(name, spec.owner, spec.models, spec.admin, limits, uid=metadata.uid)
    for entry in api_key.status.key_hashes or ():
        yield entry.sha256, Key(caller, _earliest(spec.expires_at, entry.expires_at))


def limits_of(limits: KeyLimits) -> Limits:
    """What an APIKey says about limits, as the router knows it."""
    return Limits(
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
        tokens_per_day=limits.tokens_per_day,
        concurrent_requests=limits.concurrent_requests,
    )


def _earliest(*moments: datetime | None) -> float | None:
    known = [moment.timestamp() for moment in moments if moment is not None]
    return min(known) if known else None
