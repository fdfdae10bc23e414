"""Real ``slipway-router`` processes against a real API server, with the rights that the chart gives them."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml

from slipway_crds.keys import hash_key
from tests.chart import CHART, RELEASE, Helm
from tests.chart import NAMESPACE as SYSTEM_NAMESPACE
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import KUBERNETES
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.programs import end, program
from tests.runtimes import free_port

SERVICE_ACCOUNT: Final = "slipway-router"
_RBAC: Final = "--show-only=templates/router/rbac.yaml"
_API: Final = "slipway.dev/v1alpha1"


@dataclass(frozen=True)
class RouterProcess:
    """A running router."""

    process: subprocess.Popen[bytes]
    port: int
    admin_port: int
    log: Path

    def admin(self, path: str) -> httpx2.Response:
        """A GET on the admin port."""
        return httpx2.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5)

    def get(self, path: str, key: str) -> httpx2.Response:
        """A GET on the data port."""
        headers = {"authorization": f"Bearer {key}"}
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=5)

    def states(self, key: str) -> dict[str, str] | int:
        """State of each model that a key opens; the status if the key is refused."""
        answer = self.get("/v1/models", key)
        return (
            {entry["id"]: entry["state"] for entry in answer.json()["data"]}
            if answer.is_success
            else answer.status_code
        )

    def end(self, number: signal.Signals) -> int:
        """Send a signal and give the exit status."""
        return end(self.process, number)


@dataclass(frozen=True)
class RouterRights:
    """A kubeconfig of the router's own ServiceAccount."""

    server: ApiServer
    kubeconfig: Path

    @contextmanager
    def running(self, folder: Path, **settings: str) -> Iterator[RouterProcess]:
        """One ready router process for the length of a ``with`` block."""
        port, admin_port, log = free_port(), free_port(), folder / "router.log"
        environment = {
            "KUBECONFIG": str(self.kubeconfig),
            "SLIPWAY_HOST": "127.0.0.1",
            "SLIPWAY_DATA_PORT": str(port),
            "SLIPWAY_ADMIN_PORT": str(admin_port),
            **settings,
        }
        with program("slipway_router.main", log=log, settings=environment) as process:
            router = RouterProcess(process, port, admin_port, log)
            eventually(
                "the router is ready", lambda: router.admin("/readyz").status_code, lambda c: c == 200, within=30
            )
            yield router


@pytest.fixture(scope="session")
def router_rights(custom_resources: ApiServer, helm: Helm) -> RouterRights:
    """The chart's ServiceAccount and roles for the router, on the API server."""
    manifests = helm(
        "template", RELEASE, CHART, f"--namespace={SYSTEM_NAMESPACE}", f"--kube-version={KUBERNETES}", _RBAC
    )
    kubectl = custom_resources.kubectl
    kubectl.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SYSTEM_NAMESPACE}}}\n")
    kubectl("apply", "--server-side", f"--namespace={SYSTEM_NAMESPACE}", "-f", "-", stdin=manifests)
    return RouterRights(
        custom_resources, custom_resources.service_account_kubeconfig(SYSTEM_NAMESPACE, SERVICE_ACCOUNT)
    )


@dataclass(frozen=True)
class World:
    """What people and the operator would write, in one namespace."""

    kubectl: Kubectl
    namespace: str

    def model(self, name: str, **spec: Any) -> None:
        """A ModelDeployment."""
        base = {"model": {"source": "demo://chat"}, "engine": {"type": "dummy"}}
        self._apply({"apiVersion": _API, "kind": "ModelDeployment", "metadata": {"name": name}, "spec": base | spec})

    def replica(self, model: str, address: str, **conditions: bool) -> None:
        """The EndpointSlice of a model's Service, with one address (never a loopback one: the API forbids it)."""
        labels = {"kubernetes.io/service-name": model, "app.kubernetes.io/managed-by": "slipway-operator"}
        self._apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"{model}-1", "labels": labels},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": conditions}],
                "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
            }
        )

    def key(self, name: str, clear: str, **spec: Any) -> None:
        """An APIKey with the hash of ``clear`` in its status."""
        self._apply(
            {"apiVersion": _API, "kind": "APIKey", "metadata": {"name": name}, "spec": {"owner": "test", **spec}}
        )
        status = json.dumps({"status": {"keyHashes": [{"sha256": hash_key(clear)}]}})
        self._run("patch", "apikey", name, "--subresource=status", "--type=merge", f"--patch={status}")

    def delete(self, kind: str, name: str) -> None:
        """Delete an object."""
        self._run("delete", kind, name)

    def _apply(self, manifest: dict[str, Any]) -> None:
        self._run("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(manifest))

    def _run(self, *arguments: str, stdin: str | None = None) -> None:
        self.kubectl(f"--namespace={self.namespace}", *arguments, stdin=stdin)


@pytest.fixture
def world(custom_resources: ApiServer, apiserver_namespace: str) -> World:
    """A namespace of the API server."""
    return World(custom_resources.kubectl, apiserver_namespace)
