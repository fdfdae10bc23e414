"""Kopf as an informer: its indices are the cached world, its events only add keys to the work queue.

No handler of Kopf changes anything, so Kopf writes nothing: no finalizers, no annotations.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import kopf

from slipway_crds.engines import EngineType
from slipway_crds.names import (
    GROUP,
    LABEL_API_KEY,
    LABEL_MODEL,
    MANAGED_BY_SELECTOR,
    child_name,
)
from slipway_operator.domain.observed import Child, KeySecret, StoredObject, child_of, key_secret_of, stored_object
from slipway_operator.domain.pods import Pod, pod_of
from slipway_operator.domain.resources import (
    API_KEY,
    CORE_CHILDREN,
    MODEL_CHILDREN,
    MODEL_DEPLOYMENT,
    MODEL_ROUTE,
    POD,
    SECRET,
    Ref,
    Resource,
)
from slipway_operator.domain.served_names import Claim, Claimant, Rivals, claim_of

_OWNERS: Final = (MODEL_DEPLOYMENT, API_KEY, MODEL_ROUTE)
_GATHER_SECONDS: Final = 0.25
"""Changes come in bursts, also those that the operator itself makes; one pass is to see a whole burst."""
_PREFIX: Final = f"operator.{GROUP}"
_INDICES: Final = ("owners", "external", "claims", "children", "pods", "secrets")

Enqueue = Callable[[Ref, float], None]
"""Adds a key to the work queue after so many seconds."""


class KopfWorld:
    """The cached world. Empty until Kopf has started and listed everything."""

    def __init__(self) -> None:
        self._indices: Mapping[str, kopf.Index[Any, Any]] = {}

    def attach(self, indices: Mapping[str, kopf.Index[Any, Any]]) -> None:
        """Kopf's indices, which Kopf goes on filling."""
        self._indices = indices

    def object(self, key: Ref) -> StoredObject | None:
        """The custom resource that a key of the work queue stands for."""
        found: Sequence[StoredObject] = self._find("owners", key)
        return found[0] if found else None

    def children(self, key: Ref) -> Sequence[Child]:
        """Everything labelled as a child of a ModelDeployment."""
        return self._find("children", key)

    def pods(self, key: Ref) -> Sequence[Pod]:
        """The pods of a ModelDeployment."""
        return self._find("pods", key)

    def secrets(self, key: Ref) -> Sequence[KeySecret]:
        """Everything labelled as a Secret of an APIKey."""
        return self._find("secrets", key)

    def external_models(self) -> Sequence[StoredObject]:
        """Every ModelDeployment that a provider serves."""
        return self._find("external", EngineType.EXTERNAL)

    def claimants(self, name: str) -> Sequence[Claimant]:
        """The models that claim a name for callers, in no order."""
        return [claim.claimant for claim in self._find("claims", name)]

    def claim(self, key: Ref) -> Claim | None:
        """What a model claims, if it is there."""
        found: Sequence[Claim] = self._find("claims", key)
        return found[0] if found else None

    def _find(self, index: str, key: Ref | str) -> list[Any]:
        indexed = self._indices.get(index)
        return list(indexed[key]) if indexed is not None and key in indexed else []


def build_registry(
    world: KopfWorld, enqueue: Enqueue, on_event: Callable[[], None], more_children: Sequence[Resource] = ()
) -> kopf.OperatorRegistry:
    """The handlers that keep ``world`` current and tell ``enqueue`` what changed.

    ``more_children`` are kinds of children that only some clusters know; this one must, or Kopf waits for them.
    """
    kinds = (*CORE_CHILDREN, *more_children)
    registry = kopf.OperatorRegistry()

    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    async def startup(**kwargs: Any) -> None:
        world.attach({name: kwargs[name] for name in _INDICES})

    kopf.on.login(registry=registry, id="login")(login)
    kopf.on.startup(registry=registry, id="startup")(startup)
    _index_all(registry, kinds)
    rivals = Rivals(world.claimants)

    async def changed(type: str | None, body: kopf.Body, **_: Any) -> None:
        # An event comes only after every index has been filled for the first time, and after its own change is in it.
        on_event()
        key = _key_of(body)
        if key is not None:
            urgent = type == "DELETED" or (key.resource.kind == body["kind"] and _is_urgent(body))
            enqueue(key, 0.0 if urgent else _GATHER_SECONDS)
        if key is not None and body["kind"] == MODEL_DEPLOYMENT.kind:
            for rival in rivals.after(key, world.claim(key)):
                enqueue(rival, 0.0)

    for resource in (*_OWNERS, *kinds, POD, SECRET):
        kopf.on.event(*_selector(resource), registry=registry, id=f"changed-{resource.plural}")(changed)
    return registry


def build_settings() -> kopf.OperatorSettings:
    """Kopf's settings for this use; ``queueing.worker_limit`` stays unset, since with indices it can deadlock."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = f"{_PREFIX}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=_PREFIX)
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.server_timeout = 600
    settings.watching.connect_timeout = 30
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    for resource in (*MODEL_CHILDREN, POD):
        settings.watching.label_selectors[_selector(resource)] = MANAGED_BY_SELECTOR
    settings.watching.label_selectors[_selector(SECRET)] = f"{MANAGED_BY_SELECTOR},{LABEL_API_KEY}"
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """Kopf compares every object with a stored copy of itself, for handlers of changes; there are none here."""

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        raise NotImplementedError("nothing is to be stored on objects")


async def watch(registry: kopf.OperatorRegistry, namespaces: Sequence[str], stop: asyncio.Event) -> None:
    """Run Kopf until ``stop`` is set or the process is told to end; no namespaces means all of them."""

    async def cleanup(**_: Any) -> None:
        # Kopf takes the signals over; its own wait for the flag would delay the end by seconds if nobody set it.
        stop.set()

    kopf.on.cleanup(registry=registry, id="cleanup")(cleanup)
    await kopf.operator(
        registry=registry,
        settings=build_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        stop_flag=stop,
    )


def _index_all(registry: kopf.OperatorRegistry, kinds: Sequence[Resource]) -> None:
    async def owners(body: kopf.Body, **_: Any) -> dict[Ref, StoredObject]:
        key = _key_of(body)
        return {key: stored_object(dict(body))} if key else {}

    async def children(body: kopf.Body, **_: Any) -> dict[Ref, Child]:
        key = _key_of(body)
        return {key: child_of(dict(body))} if key else {}

    async def pods(body: kopf.Body, **_: Any) -> dict[Ref, Pod]:
        key = _key_of(body)
        return {key: pod_of(dict(body))} if key else {}

    async def secrets(body: kopf.Body, **_: Any) -> dict[Ref, KeySecret]:
        key, metadata = _key_of(body), body["metadata"]
        ref = Ref(SECRET, metadata["namespace"], metadata["name"])
        return {key: key_secret_of(dict(body), ref)} if key else {}

    async def external(body: kopf.Body, **_: Any) -> dict[EngineType, StoredObject]:
        engine = body["spec"].get("engine", {}).get("type")
        return {EngineType.EXTERNAL: stored_object(dict(body))} if engine == EngineType.EXTERNAL else {}

    async def claims(body: kopf.Body, **_: Any) -> dict[Ref | str, Claim]:
        # By the model and by each name: one look at the object gives both.
        claim = claim_of(body)
        return dict.fromkeys((claim.claimant.key, *claim.names), claim) if claim is not None else {}

    for resource in _OWNERS:
        kopf.index(*_selector(resource), registry=registry, id="owners")(owners)
    kopf.index(*_selector(MODEL_DEPLOYMENT), registry=registry, id="external")(external)
    kopf.index(*_selector(MODEL_DEPLOYMENT), registry=registry, id="claims")(claims)
    for resource in kinds:
        kopf.index(*_selector(resource), registry=registry, id="children")(children)
    kopf.index(*_selector(POD), registry=registry, id="pods")(pods)
    kopf.index(*_selector(SECRET), registry=registry, id="secrets")(secrets)


def _is_urgent(body: Mapping[str, Any]) -> bool:
    """Whether somebody waits for a pass over a custom resource: it is new, or it sleeps and a request is there."""
    status = body.get("status") or {}
    return not status or bool("asleepSince" in status and (status.get("demand") or {}).get("waiting"))


def _selector(resource: Resource) -> tuple[str, str, str]:
    group, _, version = resource.api_version.rpartition("/")
    return group, version, resource.plural


def _key_of(body: Mapping[str, Any]) -> Ref | None:
    """The key of the custom resource that an object is, or belongs to."""
    metadata = body["metadata"]
    for owner in _OWNERS:
        if body["kind"] == owner.kind:
            return Ref(owner, metadata["namespace"], child_name(metadata["name"]))
    owner, label = (API_KEY, LABEL_API_KEY) if body["kind"] == SECRET.kind else (MODEL_DEPLOYMENT, LABEL_MODEL)
    references = metadata.get("ownerReferences") or ()
    # The reference first: somebody may have edited the label. Pods have only the label, their owner is a ReplicaSet.
    names = (child_name(reference["name"]) for reference in references if reference["kind"] == owner.kind)
    name = next(names, None) or metadata.get("labels", {}).get(label)
    return Ref(owner, metadata["namespace"], name) if name else None
