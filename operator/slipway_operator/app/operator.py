"""The composition root: one operator process, from its settings to its end."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from slipway_operator.adapters.cluster import KubernetesCluster
from slipway_operator.adapters.discovery import custom_resources_served
from slipway_operator.adapters.gpus import KubernetesGpus
from slipway_operator.adapters.health import serving_health
from slipway_operator.adapters.keda import keda_arrives, keda_served, remove_scaled_objects
from slipway_operator.adapters.kopf_watch import KopfWorld, build_registry, watch
from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.adapters.lease import Lease
from slipway_operator.adapters.metrics import Metrics
from slipway_operator.adapters.metrics_api.registration import KubernetesRegistration
from slipway_operator.adapters.metrics_api.router_pods import RouterPlace
from slipway_operator.adapters.routers import KubernetesRouters
from slipway_operator.adapters.runtime_states import asking_runtimes
from slipway_operator.app.keys import KeyReconciler, RouteReconciler
from slipway_operator.app.metrics_api.serve import MetricsApi, MetricsApiSettings
from slipway_operator.app.models import ModelParts, ModelReconciler
from slipway_operator.app.ports import Cluster, RuntimeStates, World
from slipway_operator.app.provider_keys import ProviderKeys
from slipway_operator.app.rollouts import Rollouts
from slipway_operator.app.runtimes import Runtimes
from slipway_operator.app.settings import Settings
from slipway_operator.app.sleeping import Sleeping
from slipway_operator.app.startups import Startups
from slipway_operator.domain.errors import NamespaceTerminatingError
from slipway_operator.domain.metrics_api.serving import ServiceReference
from slipway_operator.domain.metrics_api.state import ELSEWHERE, Keda, RegistrationState
from slipway_operator.domain.plan import PlanSettings
from slipway_operator.domain.resources import (
    API_KEY,
    MODEL_DEPLOYMENT,
    MODEL_ROUTE,
    SCALED_OBJECT,
    SECRET,
    Ref,
    Resource,
)
from slipway_operator.queue import WorkQueue

_log: Final = logging.getLogger(__name__)

Reconcile = Callable[[Ref], Coroutine[Any, Any, float | None]]
"""One pass; gives the seconds until the next one is wanted, None for when something changes."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def build_metrics_api(settings: Settings, api: KubeApi) -> MetricsApi | None:
    """The metrics API of this replica; None when the settings want none."""
    options, home = settings.metrics, settings.lease_namespace
    if options is None:
        return None
    service = ServiceReference(home, options.service, options.service_port)
    registration = KubernetesRegistration(api, service, Ref(SECRET, home, options.secret), utc_now, options.owner)
    routers = RouterPlace(home, settings.router_selector, options.router_port)
    place = MetricsApiSettings(options.host, options.port, routers, settings.namespaces)
    return MetricsApi(place, api, registration, utc_now)


def _registration(settings: Settings, metrics_api: MetricsApi | None) -> RegistrationState | None:
    """Whether autoscalers reach a metrics API; None when there is to be none."""
    if metrics_api is not None:
        return metrics_api.state
    return ELSEWHERE if settings.metrics_mode == "prometheus-adapter" else None


def build_reconcile(world: World, cluster: Cluster, settings: Settings, parts: ModelParts) -> Reconcile:
    """The work for the queue: one pass over whatever a key stands for."""
    installation, clock = PlanSettings(settings.runtime_images, settings.otlp_endpoint), time.monotonic
    models = ModelReconciler(world, cluster, installation, parts, clock=clock, now=utc_now)
    keys = KeyReconciler(world, cluster, clock=clock, now=utc_now)
    routes = RouteReconciler(world, cluster, clock=clock, now=utc_now)
    return _by_kind(
        {
            MODEL_DEPLOYMENT: models.reconcile,
            API_KEY: keys.reconcile,
            MODEL_ROUTE: routes.reconcile,
            SECRET: parts.provider_keys.reconcile,
        }
    )


def _by_kind(passes: Mapping[Resource, Reconcile]) -> Reconcile:
    async def reconcile(key: Ref) -> float | None:
        try:
            return await passes[key.resource](key)
        except NamespaceTerminatingError:
            # The object is about to go, too; its deletion is the next thing to hear of it.
            return None
        except Exception as error:
            _log.warning("%s: %s: %s", key, type(error).__name__, error)
            raise

    return reconcile


async def run(settings: Settings, kubeconfig: str | None) -> bool:
    """Run until SIGTERM or SIGINT, or until KEDA, which is to scale models, has come or gone: then it is to run again.

    Returns whether it is to.

    Raises:
        ExceptionGroup: something failed for good; with `LeadershipLostError`, another replica acts now.
    """
    metrics, stop = Metrics(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = await KubeApi.connect(kubeconfig, "slipway-operator")
    try:
        lease = Lease(
            api, settings.lease_namespace, settings.lease_name, settings.identity, settings.lease_timing, utc_now
        )
        metrics_api = build_metrics_api(settings, api)
        async with (
            serving_health(settings.health_host, settings.health_port, metrics, lambda: _ready(metrics_api)) as port,
            asking_runtimes() as runtimes,
            _serving(metrics_api),
        ):
            _log.info("health and metrics on port %d", port)
            if await _unless(stop, custom_resources_served(api)) and await _unless(stop, lease.acquire()):
                return await _lead(settings, api, runtimes, lease, metrics, metrics_api, stop)
            return False
    finally:
        await api.close()


def _ready(metrics_api: MetricsApi | None) -> bool:
    """Whether requests may come. One that waits for the Lease is as ready as the leader: it takes over when needed."""
    return metrics_api is None or metrics_api.settled


@asynccontextmanager
async def _serving(metrics_api: MetricsApi | None) -> AsyncIterator[None]:
    """Serve the metrics API meanwhile, whoever leads: the API server asks any replica."""
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(metrics_api.run()) if metrics_api is not None else None
        yield
        if serving is not None:
            serving.cancel()


async def _lead(
    settings: Settings,
    api: KubeApi,
    runtimes: RuntimeStates,
    lease: Lease,
    metrics: Metrics,
    metrics_api: MetricsApi | None,
    stop: asyncio.Event,
) -> bool:
    """Watch and reconcile for as long as this replica holds the Lease; whether KEDA has ended that."""
    world, queue = KopfWorld(), WorkQueue[Ref](metrics)
    asked = Runtimes(runtimes, queue.add_after)
    cluster = KubernetesCluster(api, metrics)
    startups, sleeping = Startups(metrics, utc_now), Sleeping(runtimes, utc_now)
    keda = Keda(settings.prometheus_url, await keda_served(api)) if settings.prometheus_url is not None else None
    changed, watched = asyncio.Event(), keda is not None and keda.served
    secret = Ref(SECRET, settings.lease_namespace, settings.provider_keys_secret)
    routers = KubernetesRouters(api, settings.lease_namespace, settings.router_selector)
    provider_keys = ProviderKeys(world, cluster, routers, secret, queue.add_after)
    registration = partial(_registration, settings, metrics_api)
    rollouts = Rollouts(KubernetesGpus(api))
    parts = ModelParts(asked, startups, sleeping, rollouts, provider_keys, registration, keda)
    reconcile = build_reconcile(world, cluster, settings, parts)
    registry = build_registry(world, queue.add_after, metrics.watch_event, (SCALED_OBJECT,) if watched else ())
    metrics.leading(True)
    async with asyncio.TaskGroup() as group:
        work = (lease.hold(), queue.run(reconcile, settings.workers), asked.run())
        background = [group.create_task(each) for each in (*work, _await_keda(settings, api, keda, changed, stop))]
        # Kopf, when it ends, waits for every task that was started after it: the workers must be there before.
        await asyncio.sleep(0)
        try:
            await watch(registry, settings.namespaces, stop)
        except Exception:
            if not watched or not await _has_gone(api, changed):
                raise
        for task in background:
            task.cancel()
    await lease.release()
    return changed.is_set()


async def _await_keda(
    settings: Settings, api: KubeApi, keda: Keda | None, changed: asyncio.Event, stop: asyncio.Event
) -> None:
    """Stop when KEDA comes that is waited for: its ScaledObjects can only be watched from the start."""
    if keda is None:
        await remove_scaled_objects(api, settings.namespaces)
    elif not keda.served:
        _log.warning("KEDA is not installed: models scale on CPU and memory only")
        await keda_arrives(api)
        _log.info("KEDA has come; starting again")
        changed.set()
        stop.set()


async def _has_gone(api: KubeApi, changed: asyncio.Event) -> bool:
    """Whether KEDA has: Kopf fails when a kind that it watches is there no more."""
    if await keda_served(api):
        return False
    _log.warning("KEDA has gone; starting again")
    changed.set()
    return True


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether ``work`` was done before ``stop`` was set; if not, it is cancelled."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    return False
