"""Real ``slipway-operator`` processes against a real API server, with the rights that the chart gives them."""

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

from tests.chart import CHART, RELEASE, Helm
from tests.chart import NAMESPACE as SYSTEM_NAMESPACE
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import KUBERNETES
from tests.eventually import eventually
from tests.programs import end, program
from tests.runtimes import free_port

IMAGES: Final = '{"dummy": "example/dummy:1", "llamacpp": "example/llamacpp:1", "onnx": "example/onnx:1"}'


@dataclass(frozen=True)
class OperatorProcess:
    """A running operator."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def metrics(self) -> dict[str, float]:
        """Every sample of ``/metrics`` by its name with labels."""
        lines = httpx2.get(f"http://127.0.0.1:{self.port}/metrics").text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    def passes(self) -> float:
        """Passes so far that ended well."""
        return self.metrics().get('slipway_operator_pass_seconds_count{result="ok"}', 0.0)

    def leads(self) -> bool:
        """Whether it holds the Lease."""
        return self.metrics()["slipway_operator_leader"] == 1.0

    def status(self, path: str) -> int:
        """HTTP status of a path of its admin port."""
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}").status_code

    def end(self, number: signal.Signals) -> int:
        """Send a signal and give the exit status."""
        return end(self.process, number)


@dataclass(frozen=True)
class OperatorRights:
    """A kubeconfig of the operator's own ServiceAccount."""

    server: ApiServer
    kubeconfig: Path

    @contextmanager
    def running(self, folder: Path, identity: str = "operator-0", **settings: str) -> Iterator[OperatorProcess]:
        """One operator process for the length of a ``with`` block; its log is in ``folder``."""
        port, log = free_port(), folder / f"{identity}.log"
        environment = {
            "KUBECONFIG": str(self.kubeconfig),
            "SLIPWAY_RUNTIME_IMAGES": IMAGES,
            "SLIPWAY_HEALTH_HOST": "127.0.0.1",
            "SLIPWAY_HEALTH_PORT": str(port),
            "SLIPWAY_IDENTITY": identity,
            **settings,
        }
        with program("slipway_operator.main", log=log, settings=environment) as process:
            started = OperatorProcess(process, port, log)
            eventually(f"{identity} is alive", lambda: started.status("/livez"), lambda code: code == 200, within=20)
            yield started


def grant_operator_rights(server: ApiServer, helm: Helm, release: str = RELEASE, *values: str) -> OperatorRights:
    """Give an API server the chart's ServiceAccount and roles for the operator, with ``--set`` for each value."""
    place = (f"--namespace={SYSTEM_NAMESPACE}", f"--kube-version={KUBERNETES}")
    chosen = [f"--set={value}" for value in values]
    manifests = helm("template", release, CHART, *place, *chosen, "--show-only=templates/operator/rbac.yaml")
    kubectl = server.kubectl
    kubectl.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SYSTEM_NAMESPACE}}}\n")
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(_placed(manifests)))
    return OperatorRights(server, server.service_account_kubeconfig(SYSTEM_NAMESPACE, f"{release}-operator"))


def _placed(manifests: str) -> Iterator[dict[str, Any]]:
    """The objects, with the release's namespace where none is written, as Helm would install them."""
    for manifest in yaml.safe_load_all(manifests):
        if manifest and not manifest["kind"].startswith("Cluster"):
            manifest["metadata"].setdefault("namespace", SYSTEM_NAMESPACE)
        if manifest:
            yield manifest


@pytest.fixture(scope="session")
def operator_rights(custom_resources: ApiServer, helm: Helm) -> OperatorRights:
    """The chart's ServiceAccount and roles for the operator, on the session's API server."""
    return grant_operator_rights(custom_resources, helm)


@pytest.fixture(scope="module")
def operator(operator_rights: OperatorRights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """A leading operator for a test file; it must have been allowed everything it tried, and end well."""
    with operator_rights.running(tmp_path_factory.mktemp("operator")) as started:
        eventually("the operator leads", started.leads, bool, within=30)
        yield started
        refused = [name for name in started.metrics() if 'result="403"' in name]
        assert refused == [], started.log.read_text()
        assert started.end(signal.SIGTERM) == 0, started.log.read_text()
