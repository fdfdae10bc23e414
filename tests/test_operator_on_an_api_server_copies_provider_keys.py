"""On a real API server, with the rights of the chart for one namespace: an external model's key goes to routers."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import NAMESPACE as SYSTEM_NAMESPACE
from tests.chart import Helm
from tests.cluster.apiserver import ApiServer
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.operator_process import grant_operator_rights

pytestmark = pytest.mark.apiserver

SERVICE_ACCOUNT = "provider-keys-test"
SHOWN = "slipway.dev/provider-keys-version"
MODEL = """
apiVersion: slipway.dev/v1alpha1
kind: ModelDeployment
metadata: {name: gpt}
spec:
  model: {source: "https://api.example.com/v1"}
  engine: {type: external, authSecret: {name: provider, key: token}}
"""


def secret(key: str) -> str:
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "provider"}, "stringData": {"token": key}}
    )


def copies(kubectl: Kubectl) -> dict[str, str]:
    items = kubectl.get("secrets", "-n", SYSTEM_NAMESPACE)["items"]
    found = [item for item in items if item["metadata"]["name"] == "keys-provider-keys"]
    data: dict[str, str] = found[0].get("data", {}) if found else {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def pod(name: str, app: str) -> dict[str, Any]:
    spec = {
        "containers": [{"name": "main", "image": "example/router:1"}],
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


@contextmanager
def pods(kubectl: Kubectl) -> Iterator[None]:
    """Two of routers and another one, beside the operator."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SERVICE_ACCOUNT}}
    items = [account, pod("r1", "router"), pod("r2", "router"), pod("other", "other")]
    manifests = "---\n".join(map(yaml.safe_dump, items))
    kubectl("apply", "-n", SYSTEM_NAMESPACE, "-f", "-", stdin=manifests)
    yield
    kubectl("delete", "-n", SYSTEM_NAMESPACE, "-f", "-", "--grace-period=0", "--force", stdin=manifests)


def shown(kubectl: Kubectl) -> dict[str, str]:
    """The versions of the copies that kubelets are to show, by pod."""
    metadata = [item["metadata"] for item in kubectl.get("pods", "-n", SYSTEM_NAMESPACE)["items"]]
    return {each["name"]: each["annotations"][SHOWN] for each in metadata if SHOWN in each["annotations"]}


def test_the_copy_follows_secret_and_model(
    custom_resources: ApiServer, helm: Helm, apiserver_namespace: str, tmp_path: Path
) -> None:
    kubectl = custom_resources.kubectl
    rights = grant_operator_rights(custom_resources, helm, "keys", f"watchNamespaces={{{apiserver_namespace}}}")
    settings = {
        "SLIPWAY_WATCH_NAMESPACES": apiserver_namespace,
        "SLIPWAY_LEASE_NAME": "keys-operator",
        "SLIPWAY_PROVIDER_KEYS_SECRET": "keys-provider-keys",
        "SLIPWAY_ROUTER_SELECTOR": "app=router",
    }

    def ready() -> dict[str, Any]:
        conditions = kubectl.get("mdep", "gpt", "-n", apiserver_namespace).get("status", {}).get("conditions", [])
        return next((item for item in conditions if item["type"] == "Ready"), {})

    def apply(manifest: str) -> None:
        kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=manifest)

    with pods(kubectl), rights.running(tmp_path, "keys", **settings) as operator:
        apply(MODEL)
        missing = eventually("the model says what is missing", ready, bool, within=30)
        assert (missing["status"], missing["reason"]) == ("False", "SecretNotFound")
        apply(secret("sk-1"))
        eventually("the model is ready", ready, lambda seen: seen["status"] == "True", within=40)
        assert copies(kubectl) == {f"{apiserver_namespace}.gpt": "sk-1"}
        version = kubectl.get("secret", "keys-provider-keys", "-n", SYSTEM_NAMESPACE)["metadata"]["resourceVersion"]
        assert shown(kubectl) == {"r1": version, "r2": version}
        table = kubectl("get", "mdep", "gpt", "-n", apiserver_namespace).splitlines()
        assert table[1].split()[:4] == ["gpt", "https://api.example.com/v1", "external", "Ready"]
        kubectl("delete", "mdep", "gpt", "-n", apiserver_namespace)
        eventually("the copy is gone", lambda: copies(kubectl), lambda seen: seen == {}, within=10)
        refused = [name for name in operator.metrics() if 'result="403"' in name]
        assert refused == [], operator.log.read_text()
        assert "Forbidden" not in operator.log.read_text()
