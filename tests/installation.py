"""Slipway as it is installed on the test cluster, and what tests do with it."""

import base64
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import openai
import yaml

from tests.cluster.errors import CommandError
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually

SYSTEM_NAMESPACE = "slipway-system"
ROUTER_SERVICE = "slipway-router"


@dataclass(frozen=True)
class Installation:
    """The chart's release on a cluster, and a namespace of the test's own."""

    kubectl: Kubectl
    namespace: str
    environment: Mapping[str, str]
    """Of a shell whose kubectl and helm talk to the cluster."""
    closing: ExitStack = field(default_factory=ExitStack)
    """Closes the clients that were made."""

    @property
    def router_url(self) -> str:
        """Address of the router's Service, from outside the cluster."""
        node = self.kubectl.get("nodes")["items"][0]
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        service = self.kubectl.get("service", ROUTER_SERVICE, "-n", SYSTEM_NAMESPACE)
        return f"http://{address}:{service['spec']['ports'][0]['nodePort']}"

    def client(self, key: str) -> openai.OpenAI:
        """An OpenAI client that talks to the router."""
        client = openai.OpenAI(base_url=f"{self.router_url}/v1", api_key=key, max_retries=0, timeout=30)
        return self.closing.enter_context(client)

    def apply(self, manifests: str) -> None:
        """Apply manifests in the test's namespace, as a person would."""
        self.kubectl("apply", "-n", self.namespace, "-f", "-", stdin=manifests)

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object, or a list, of the test's namespace."""
        return self.kubectl.get(*arguments, "-n", self.namespace)

    def exists(self, kind: str, name: str) -> bool:
        """Whether the object is there and not on its way out."""
        try:
            return "deletionTimestamp" not in self.get(kind, name)["metadata"]
        except CommandError:
            return False

    def wait_ready(self, *objects: str, seconds: int = 120) -> None:
        """``kubectl wait --for=condition=Ready``; a failure shows the models and their pods."""
        try:
            timeout = f"--timeout={seconds}s"
            self.kubectl("wait", "--for=condition=Ready", *objects, "-n", self.namespace, timeout, timeout=seconds + 10)
        except CommandError as error:
            shown = self.kubectl("get", "mdep,pods,events", "-n", self.namespace, "-o", "wide")
            raise AssertionError(f"{error}\n{shown}") from None

    def key(self, name: str = "demo") -> str:
        """The key that the operator made for the APIKey ``name``."""
        self.wait_ready(f"apikey/{name}", seconds=20)
        secret = self.get("secret", f"{name}-apikey")
        return base64.b64decode(secret["data"]["key"]).decode()

    def reason(self, name: str) -> str:
        """The REASON column of ``kubectl get mdep NAME``."""
        lines = self.kubectl("get", "mdep", name, "-n", self.namespace).splitlines()
        return dict(zip(lines[0].split(), lines[1].split(), strict=False)).get("REASON", "")

    def condition(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """A condition of a ModelDeployment, empty when it is not there."""
        conditions = self.get("mdep", name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def children(self, name: str) -> dict[str, str]:
        """``kind/name`` → uid of everything in the namespace that the ModelDeployment owns."""
        kinds = "deployment,service,serviceaccount,horizontalpodautoscaler,poddisruptionbudget,persistentvolumeclaim"
        owned = [item for item in self.get(kinds)["items"] if _owner(item) == name]
        return {f"{item['kind'].lower()}/{item['metadata']['name']}": item["metadata"]["uid"] for item in owned}

    def wait_routable(self, client: openai.OpenAI, model: str, within: float = 10) -> None:
        """Until the router knows a ready endpoint of the model."""
        eventually(
            f"{model} is listed as ready by the router",
            lambda: client.models.retrieve(model).model_dump(),
            lambda listed: listed.get("state", "ready") == "ready",
            within=within,
        )


def wait_rolled_out(kubectl: Kubectl, component: str) -> None:
    """Wait until every pod of ``operator`` or ``router`` is ready and of the newest template."""
    deployment = f"deployment/slipway-{component}"
    # kubectl says more than that a program took too long, so it is given the time to.
    kubectl("rollout", "status", deployment, "-n", SYSTEM_NAMESPACE, "--timeout=60s", timeout=70)


def _owner(item: Mapping[str, Any]) -> str | None:
    references = item["metadata"].get("ownerReferences", [])
    return next((r["name"] for r in references if r["kind"] == "ModelDeployment"), None)


def model(name: str, **spec: Any) -> str:
    """YAML of a ModelDeployment with the dummy engine, fields of the spec laid over."""
    body = {"model": {"source": "demo://dummy"}, "engine": {"type": "dummy"}, **spec}
    manifest = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": body,
    }
    return yaml.safe_dump(manifest)


def api_key(name: str = "demo", **spec: Any) -> str:
    """YAML of an APIKey."""
    body = {"owner": "tests", **spec}
    manifest = {"apiVersion": "slipway.dev/v1alpha1", "kind": "APIKey", "metadata": {"name": name}, "spec": body}
    return yaml.safe_dump(manifest)


def error_of(error: openai.APIStatusError) -> dict[str, Any]:
    """The error envelope of a refused request."""
    envelope: dict[str, Any] = json.loads(error.response.text)["error"]
    return envelope
