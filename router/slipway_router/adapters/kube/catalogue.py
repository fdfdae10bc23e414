"""Models, replicas and keys as Kubernetes knows them, kept current by watches.

Kopf is the informer: three indices hold the objects, and any event makes a new catalogue a moment later. Kopf runs
in a thread with an event loop of its own, since it claims the signals of the main thread's loop and since reading a
burst of events must not delay answers. It writes nothing.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import kopf
from pydantic import ValidationError

from slipway_crds.api_key import APIKey
from slipway_crds.base import CustomResource
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import GROUP, MANAGED_BY_SELECTOR, VERSION
from slipway_router.adapters.kube.listing import any_object
from slipway_router.domain.callers.keys import KeyRing, KeyStore
from slipway_router.domain.models.catalogue import Catalogue, CatalogueStore
from slipway_router.domain.models.cluster_view import catalogue_of, key_ring_of

MODELS: Final = (GROUP, VERSION, ModelDeployment.plural)
KEYS: Final = (GROUP, VERSION, APIKey.plural)
SLICES: Final = ("discovery.k8s.io", "v1", "endpointslices")
_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_GATHER_SECONDS: Final = 0.02
"""Events come in bursts; one catalogue is made of each."""
_CHECK_SECONDS: Final = 2.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_PREFIX: Final = f"router.{GROUP}"

_log = logging.getLogger(__name__)
T = TypeVar("T", bound=CustomResource)
Indices = Mapping[str, kopf.Index[Any, Any]]


class KubeCatalogue:
    """Fills a `CatalogueStore` and a `KeyStore` of the event loop that made it."""

    def __init__(self, catalogue: CatalogueStore, keys: KeyStore, namespaces: Sequence[str] = ()) -> None:
        self._catalogue = catalogue
        self._keys = keys
        self._namespaces = list(namespaces)
        self._loop = asyncio.get_running_loop()
        self._synced = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubernetes", daemon=True)

    def synced(self) -> bool:
        """Whether the first full picture is there."""
        return self._synced

    def start(self) -> None:
        """Begin to watch; models and keys follow."""
        self._thread.start()

    async def stop(self) -> None:
        """End the watches; what is known stays."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                asyncio.run(self._watch())
            except Exception:
                pause = next_pause(pause, time.monotonic() - began)
                # What is known stays in use meanwhile: old endpoints serve better than none.
                _log.exception("watching Kubernetes ended; again in %.0f s", pause)
            self._stop.wait(pause)

    async def _watch(self) -> None:
        informer = _Informer(self._publish)
        check = asyncio.create_task(self._check_for_emptiness(informer))
        try:
            await kopf.operator(
                registry=_registry(informer),
                settings=_settings(),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=self._stop,
            )
        finally:
            check.cancel()

    def _publish(self, catalogue: Catalogue, ring: KeyRing) -> None:
        self._loop.call_soon_threadsafe(self._install, catalogue, ring)

    def _install(self, catalogue: Catalogue, ring: KeyRing) -> None:
        self._keys.replace(ring)
        self._catalogue.replace(catalogue)
        self._synced = True

    async def _check_for_emptiness(self, informer: "_Informer") -> None:
        """Events tell that the lists are complete, but in an empty cluster there are none: look whether it is."""
        while not informer.published:
            try:
                if not await any_object((MODELS, KEYS, SLICES), self._namespaces, {SLICES: MANAGED_BY_SELECTOR}):
                    informer.publish()
                    return
            except OSError as error:
                _log.warning("Kubernetes does not answer: %s", error)
            await asyncio.sleep(_CHECK_SECONDS)


def next_pause(last: float, lasted: float) -> float:
    """Seconds to wait after a watch that ended: longer each time, unless it had lasted (seconds, too) for a while."""
    if last < _FIRST_PAUSE_SECONDS or lasted > _LONGEST_PAUSE_SECONDS:
        return _FIRST_PAUSE_SECONDS
    return min(last * 2, _LONGEST_PAUSE_SECONDS)


class _Informer:
    """Turns indices into snapshots, a moment after the last event."""

    def __init__(self, sink: Callable[[Catalogue, KeyRing], None]) -> None:
        self._sink = sink
        self._indices: Indices = {}
        self._pending: asyncio.TimerHandle | None = None
        self.published = False

    def attach(self, indices: Indices) -> None:
        self._indices = indices

    def changed(self) -> None:
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.publish)

    def publish(self) -> None:
        self._pending = None
        models, keys = self._values("models"), self._values("keys")
        slices = {service: list(store) for service, store in self._indices.get("slices", {}).items()}
        self._sink(catalogue_of(models, slices), key_ring_of(keys))
        self.published = True

    def _values(self, index: str) -> Iterable[Any]:
        return [value for store in self._indices.get(index, {}).values() for value in store]


def _registry(informer: _Informer) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)

    async def startup(**kwargs: Any) -> None:
        informer.attach({name: kwargs[name] for name in ("models", "keys", "slices")})

    async def changed(**_: Any) -> None:
        informer.changed()

    async def models(body: kopf.Body, **_: Any) -> dict[tuple[str, str], ModelDeployment]:
        return _parsed(ModelDeployment, body)

    async def keys(body: kopf.Body, **_: Any) -> dict[tuple[str, str], APIKey]:
        return _parsed(APIKey, body)

    async def slices(body: kopf.Body, **_: Any) -> dict[tuple[str, str], dict[str, Any]]:
        metadata = body["metadata"]
        service = metadata.get("labels", {}).get(_SERVICE_LABEL)
        slim = {field: body.get(field) for field in ("addressType", "ports", "endpoints")}
        return {(metadata["namespace"], service): slim} if service else {}

    kopf.on.login(registry=registry, id="login")(login)
    kopf.on.startup(registry=registry, id="startup")(startup)
    for resource, index in ((MODELS, models), (KEYS, keys), (SLICES, slices)):
        kopf.index(*resource, registry=registry, id=index.__name__)(index)
        kopf.on.event(*resource, registry=registry, id=f"changed-{index.__name__}")(changed)
    return registry


def _parsed(kind: type[T], body: kopf.Body) -> dict[tuple[str, str], T]:
    """The object by namespace and name; nothing if this router is too old to understand it."""
    metadata = body["metadata"]
    name = (metadata["namespace"], metadata["name"])
    try:
        return {name: kind.model_validate(dict(body))}
    except ValidationError as error:
        _log.warning("%s %s/%s is left out: %s", kind.kind_name, *name, error)
        return {}


def _settings() -> kopf.OperatorSettings:
    """``queueing.worker_limit`` stays unset: with indices it can deadlock at the start."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.finalizer = f"{_PREFIX}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=_PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=_PREFIX)
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.server_timeout = 600
    settings.watching.connect_timeout = 30
    settings.watching.chunk_size = 500
    settings.watching.label_selectors[SLICES] = MANAGED_BY_SELECTOR
    settings.networking.request_timeout = 30
    return settings
