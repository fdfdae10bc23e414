"""kubectl as a Python object, and the kubeconfig files it reads."""

import base64
import json
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.errors import CommandError
from tests.cluster.paths import write_changed
from tests.cluster.shell import run


class Kubectl:
    """Runs kubectl against one cluster."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self.program = program
        self._command = [str(program), f"--kubeconfig={kubeconfig}"]

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl with ``arguments`` and return what it printed."""
        return run([*self._command, *arguments], stdin=stdin, timeout=timeout)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return ``kubectl get … -o json`` as an object."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "-o", "json"))
        return found

    def apply(self, manifests: str) -> None:
        """Apply YAML on the server's side."""
        self("apply", "--server-side", "--force-conflicts", "--field-manager=slipway-test", "-f", "-", stdin=manifests)

    def ready(self) -> str | None:
        """Probe of the API server: ``None`` when it is ready, else what it said."""
        try:
            self("get", "--raw", "/readyz", "--request-timeout=5s", timeout=10)
        except CommandError as error:
            return str(error).splitlines()[-1]
        return None


def write_certificate_kubeconfig(target: Path, *, server: str, pki: Path, client: str) -> None:
    """Write a kubeconfig whose user is the client certificate ``pki/CLIENT.crt``, everything embedded."""
    user = {
        "client-certificate-data": _encoded(pki / f"{client}.crt"),
        "client-key-data": _encoded(pki / f"{client}.key"),
    }
    _write(target, {"server": server, "certificate-authority-data": _encoded(pki / "ca.crt")}, user)


def write_service_account_kubeconfig(
    target: Path, *, kubectl: Kubectl, admin: Path, namespace: str, name: str, seconds: int = 3600
) -> None:
    """Write a kubeconfig whose user is the ServiceAccount ``namespace/name``, with a token for ``seconds``.

    ``admin`` is a kubeconfig of the same cluster. The ServiceAccount must exist.
    """
    token = kubectl("create", "token", name, f"--namespace={namespace}", f"--duration={seconds}s").strip()
    cluster = yaml.safe_load(admin.read_text())["clusters"][0]["cluster"]
    _write(target, cluster, {"token": token}, namespace)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write(target: Path, cluster: dict[str, Any], user: dict[str, Any], namespace: str = "default") -> None:
    context = {"cluster": "slipway-test", "user": "slipway-test", "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "slipway-test", "cluster": cluster}],
        "users": [{"name": "slipway-test", "user": user}],
        "contexts": [{"name": "slipway-test", "context": context}],
        "current-context": "slipway-test",
    }
    write_changed(target, yaml.safe_dump(config), mode=0o600)
