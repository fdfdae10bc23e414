"""The operator's metrics API as an aggregated API of an API server on loopback."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import yaml
from aiohttp import web

from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.adapters.metrics_api.registration import KubernetesRegistration
from slipway_operator.adapters.metrics_api.router_pods import RouterPlace
from slipway_operator.app.metrics_api.serve import MetricsApi, MetricsApiSettings
from slipway_operator.domain.metrics_api.serving import ServiceReference
from slipway_operator.domain.metrics_api.state import RegistrationState
from slipway_operator.domain.resources import SECRET, Ref
from tests.cluster.apiserver import ApiServer
from tests.eventually import eventually
from tests.runtimes import free_port

SERVICE: Final = "slipway-operator-metrics"
ROUTERS: Final = "app.kubernetes.io/component=router"
ADDRESSES: Final = ("127.0.9.1", "127.0.9.2", "127.0.9.3")
NONE: Final[Mapping[str, str]] = MappingProxyType({})
_START_SECONDS: Final = 20.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Pods:
    """What the control ports of pods answer: ``texts`` by address, one of `ADDRESSES`."""

    port: int
    texts: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        host = request.host.rpartition(":")[0]
        return web.Response(text=self.texts[host]) if host in self.texts else web.Response(status=503)


@dataclass(frozen=True)
class Serving:
    """One replica that serves; made by `serving`."""

    port: int
    pods: Pods
    metrics_api: MetricsApi

    @property
    def state(self) -> RegistrationState:
        return self.metrics_api.state


@asynccontextmanager
async def registration(
    server: ApiServer,
    namespace: str,
    port: int = 443,
    now: Callable[[], datetime] = utc_now,
    owner: str | None = None,
) -> AsyncIterator[tuple[KubeApi, KubernetesRegistration]]:
    """What a replica keeps in the cluster, and its connection to it."""
    api = await KubeApi.connect(str(server.kubeconfig), "slipway-operator")
    try:
        reference = ServiceReference(namespace, SERVICE, port)
        yield api, KubernetesRegistration(api, reference, Ref(SECRET, namespace, SERVICE), now, owner)
    finally:
        await api.close()


@contextmanager
def serving(server: ApiServer, namespace: str, now: Callable[[], datetime] = utc_now) -> Iterator[Serving]:
    """Serve in a thread of its own, through Service `SERVICE` of ``namespace``, which leads to loopback.

    It is not registered any more afterwards.
    """
    server.kubectl.apply(service_on_loopback(namespace, SERVICE))
    port, pods, told = free_port(), Pods(free_port()), list[MetricsApi]()
    ends, loops = asyncio.Event(), list[asyncio.AbstractEventLoop]()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with registration(server, namespace, port, now) as (api, ours), _pods_answering(pods):
            settings = MetricsApiSettings(
                "127.0.0.1",
                port,
                RouterPlace(namespace, ROUTERS, pods.port),
                control_port=pods.port,
                sample_seconds=0.2,
                upkeep_seconds=0.3,
            )
            told.append(MetricsApi(settings, api, ours, now))
            work = asyncio.create_task(told[0].run())
            await asyncio.wait({work, ending := asyncio.create_task(ends.wait())}, return_when="FIRST_COMPLETED")
            ending.cancel()
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        eventually(
            "it serves", lambda: [each.port for each in told], lambda seen: seen == [port], within=_START_SECONDS
        )
        yield Serving(port, pods, told[0])
    finally:
        if loops:
            loops[0].call_soon_threadsafe(ends.set)
        thread.join(_START_SECONDS)
        remove_api_services(server)


def remove_api_services(server: ApiServer) -> None:
    """No metrics API is registered any more: while one is and none serves, discovery has a gap."""
    names = [f"{version}.custom.metrics.k8s.io" for version in ("v1beta1", "v1beta2")]
    server.kubectl("delete", "apiservice", *names, "--ignore-not-found", "--wait=false")


def make_pod(
    server: ApiServer, namespace: str, name: str, model: str, address: str, more_labels: Mapping[str, str] = NONE
) -> None:
    """A ready pod of a model at ``address``; nothing runs in it."""
    labels = {"app.kubernetes.io/name": "slipway-model", "slipway.dev/model": model, **more_labels}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "runtime", "image": "example/x:1"}], "automountServiceAccountToken": False},
    }
    service_account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    server.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", stdin=yaml.safe_dump(service_account))
    server.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(pod))
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    patch = yaml.safe_dump({"status": status})
    server.kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


def follow(server: ApiServer, namespace: str, model: str, metrics: Sequence[str]) -> None:
    """A HorizontalPodAutoscaler that follows ``metrics`` of a model."""
    followed: list[dict[str, Any]] = [
        {"type": "Pods", "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": "4"}}}
        for name in metrics
    ]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": model}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": model, "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3, "metrics": followed},
    }
    server.kubectl.apply(yaml.safe_dump(autoscaler))


@asynccontextmanager
async def _pods_answering(pods: Pods) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/metrics", pods.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for address in ADDRESSES:
            await web.TCPSite(runner, address, pods.port).start()
        yield
    finally:
        await runner.cleanup()


def service_on_loopback(namespace: str, name: str) -> str:
    """YAML of a Service that leads to this machine, at whatever port it is asked for."""
    spec = {"type": "ExternalName", "externalName": "localhost"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    return yaml.safe_dump(service)
