"""A replica is ready once its metrics API listens, or once it is known that it cannot: then the rest works without."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from slipway_operator.adapters.health import serving_health
from slipway_operator.adapters.kube_api import KubeApi
from slipway_operator.adapters.metrics import Metrics
from slipway_operator.adapters.metrics_api.authority import renewed
from slipway_operator.adapters.metrics_api.router_pods import RouterPlace
from slipway_operator.app.metrics_api.serve import MetricsApi, MetricsApiSettings
from slipway_operator.domain.errors import ClusterError
from slipway_operator.domain.metrics_api.identity import FrontProxy, FrontProxyError
from slipway_operator.domain.metrics_api.serving import ServiceReference, ServingIdentity
from tests.eventually import eventually
from tests.metrics_apis import utc_now
from tests.runtimes import free_port

KUBECONFIG: Final = """
apiVersion: v1
kind: Config
current-context: none
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
"""


class Registration:
    """A registration that goes as far as it is told to."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.problem: Exception | None = None
        self._identity = renewed(None, ServiceReference("slipway-system", "metrics").hosts, utc_now())

    async def front_proxy(self) -> FrontProxy:
        await self.answered.wait()
        if self.problem is not None:
            raise self.problem
        return FrontProxy(self._identity.authorities, (), ("X-Remote-User",), (), ())

    async def identity(self) -> ServingIdentity:
        return self._identity

    async def register(self, identity: ServingIdentity) -> tuple[str, ...]:
        return ()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[KubeApi]:
    """A connection to an API server that does not answer."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    api = await KubeApi.connect(str(tmp_path / "kubeconfig"), "slipway-operator")
    yield api
    await api.close()


ROUTERS = RouterPlace("slipway-system", "app.kubernetes.io/component=router", 9090)


@pytest.mark.parametrize(
    ("problem", "listens"),
    [(None, True), (FrontProxyError("no aggregation layer"), False), (ClusterError(0, "it does not answer"), False)],
)
async def test_it_settles(api: KubeApi, problem: Exception | None, listens: bool) -> None:
    registration = Registration()
    registration.problem = problem
    metrics_api = MetricsApi(MetricsApiSettings("127.0.0.1", free_port(), ROUTERS), api, registration, utc_now)
    serving = asyncio.create_task(metrics_api.run())
    await asyncio.sleep(0)

    def settled() -> bool:
        return metrics_api.settled

    assert not settled()
    registration.answered.set()
    await asyncio.to_thread(eventually, "it settles", settled, bool, within=10)
    assert (metrics_api.port is not None) == listens
    serving.cancel()
    await asyncio.wait({serving})


async def test_the_admin_port_tells_it() -> None:
    ready = False
    async with serving_health("127.0.0.1", 0, Metrics(), lambda: ready) as port, aiohttp.ClientSession() as session:

        async def status(path: str) -> int:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status

        assert (await status("/livez"), await status("/readyz")) == (200, 503)
        ready = True
        assert [await status(path) for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
