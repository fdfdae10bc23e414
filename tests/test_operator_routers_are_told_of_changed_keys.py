"""Router pods are annotated when the keys that they mount have changed; what fails is told and holds nothing up."""

import asyncio
from typing import Any

import pytest

from slipway_operator.adapters.routers import KubernetesRouters
from slipway_operator.domain.errors import ClusterError, NotFoundError, RefusedError

PODS = "/api/v1/namespaces/home/pods"


class Api:
    """An API server with two pods, which fails as it is told to."""

    def __init__(self, failures: dict[str, ClusterError]) -> None:
        self.failures = failures
        self.patched: dict[str, Any] = {}

    async def request(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        if path in self.failures:
            raise self.failures[path]
        if method == "GET":
            assert query == {"labelSelector": "app=router"}
            return {"items": [{"metadata": {"name": name}} for name in ("r1", "r2")]}
        self.patched[path] = body["metadata"]["annotations"]
        return {}


def show(api: Api) -> None:
    asyncio.run(KubernetesRouters(api, "home", "app=router").show_provider_keys("12"))


def test_every_router_is() -> None:
    api = Api({})
    show(api)
    shown = {"slipway.dev/provider-keys-version": "12"}
    assert api.patched == {f"{PODS}/r1": shown, f"{PODS}/r2": shown}


def test_one_that_has_gone_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    api = Api({f"{PODS}/r1": NotFoundError(404, "gone")})
    show(api)
    assert api.patched.keys() == {f"{PODS}/r2"}
    assert caplog.messages == []


@pytest.mark.parametrize("path", [PODS, f"{PODS}/r1"])
def test_without_the_right_it_is_told(path: str, caplog: pytest.LogCaptureFixture) -> None:
    show(Api({path: RefusedError(403, "pods is forbidden")}))
    assert [message for message in caplog.messages if "kubelets look next: " in message and "forbidden" in message]
