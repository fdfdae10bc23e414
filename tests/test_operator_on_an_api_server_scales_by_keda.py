"""ScaledObjects are as KEDA's own definition has them; they come when KEDA does, and go with the mode."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.builders.scaled_object import scaled_object
from slipway_operator.domain.metrics_api.state import Keda
from slipway_operator.domain.metrics_api.table import BY_TYPE
from tests.chart import Helm
from tests.cluster.apiserver import ApiServer
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.go_modules import KEDA
from tests.installation import model
from tests.operator_process import OperatorRights, grant_operator_rights

pytestmark = pytest.mark.apiserver

URL = "http://prometheus.monitoring.svc:9090"
RELEASE = "by-keda"
SETTINGS = {
    "SLIPWAY_METRICS_MODE": "keda",
    "SLIPWAY_PROMETHEUS_URL": URL,
    "SLIPWAY_LEASE_NAME": f"{RELEASE}-operator",
    "SLIPWAY_PROVIDER_KEYS_SECRET": f"{RELEASE}-provider-keys",
}
SCALED: dict[str, Any] = {
    "maxReplicas": 3,
    "metrics": [{"type": "cpu", "target": 70}, *({"type": kind, "target": 2000} for kind in BY_TYPE)],
}
RESOURCES = {"requests": {"cpu": "1"}}


@pytest.fixture
def definition(custom_resources: ApiServer) -> Iterator[Path]:
    """KEDA's definition of ScaledObjects, which the API server does not know yet, and not any more afterwards."""
    file = KEDA.folder() / "config" / "crd" / "bases" / "keda.sh_scaledobjects.yaml"
    yield file
    custom_resources.kubectl("delete", "-f", str(file), "--ignore-not-found", "--timeout=30s")


@pytest.fixture
def rights(custom_resources: ApiServer, helm: Helm) -> OperatorRights:
    """Those that the chart gives in this mode."""
    values = ("metrics.mode=keda", f"metrics.prometheus.url={URL}")
    return grant_operator_rights(custom_resources, helm, RELEASE, *values)


def install(kubectl: Kubectl, definition: Path) -> None:
    kubectl("apply", "--server-side", "-f", str(definition))
    kubectl("wait", "--for=condition=Established", "-f", str(definition), "--timeout=30s")


def names(kubectl: Kubectl, namespace: str, kind: str) -> list[str]:
    return kubectl("get", kind, "-n", namespace, "-o", "name", "--ignore-not-found").split()


def wait_for_reason(kubectl: Kubectl, namespace: str, reason: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        conditions = kubectl.get("mdep", "m", "-n", namespace).get("status", {}).get("conditions", [])
        return next((item for item in conditions if item["type"] == "AutoscalingReady"), {})

    return eventually(f"reason {reason}", look, lambda seen: seen.get("reason") == reason, within=30)


def test_keda_may_come_later_and_go_again(
    rights: OperatorRights,
    operator_rights: OperatorRights,
    definition: Path,
    apiserver_namespace: str,
    tmp_path: Path,
) -> None:
    kubectl, namespace = rights.server.kubectl, apiserver_namespace
    kubectl("apply", "-n", namespace, "-f", "-", stdin=model("m", autoscaling=SCALED, resources=RESOURCES))
    with rights.running(tmp_path, **SETTINGS) as operator:
        assert "KEDA is not installed" in wait_for_reason(kubectl, namespace, "KedaUnavailable")["message"]
        install(kubectl, definition)
        wait_for_reason(kubectl, namespace, "AutoscalingConfigured")
        eventually("the autoscaler is gone", lambda: names(kubectl, namespace, "hpa"), lambda seen: not seen, within=10)
        made = eventually("one", lambda: kubectl.get("scaledobjects", "-n", namespace)["items"], bool, within=10)[0]
        assert [trigger["type"] for trigger in made["spec"]["triggers"]] == ["cpu", *(["prometheus"] * len(BY_TYPE))]
        assert made["metadata"]["generation"] == 1
        failed = {"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed", "message": "it is broken"}
        patch = yaml.safe_dump({"status": {"conditions": [failed]}})
        kubectl("patch", "so/m", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
        told = wait_for_reason(kubectl, namespace, "AutoscalingFailed")
        assert told["message"] == "KEDA: ScaledObjectCheckFailed: it is broken"
        kubectl("delete", "-f", str(definition), "--timeout=30s")
        wait_for_reason(kubectl, namespace, "KedaUnavailable")
        install(kubectl, definition)
        eventually("it is back", lambda: names(kubectl, namespace, "so"), bool, within=20)
        refused = [name for name in operator.metrics() if 'result="403"' in name]
        assert refused == [], operator.log.read_text()
        assert operator.end(signal.SIGTERM) == 0, operator.log.read_text()
    with operator_rights.running(tmp_path, "without") as operator:
        eventually("none is left", lambda: names(kubectl, namespace, "so"), lambda seen: not seen, within=20)
        eventually("it has its autoscaler", lambda: names(kubectl, namespace, "hpa"), bool, within=10)
        assert operator.end(signal.SIGTERM) == 0, operator.log.read_text()


@pytest.mark.parametrize("behavior", [None, {"scaleDown": {"stabilizationWindowSeconds": 0}}])
def test_every_field_is_kedas(
    custom_resources: ApiServer, definition: Path, apiserver_namespace: str, behavior: dict[str, Any] | None
) -> None:
    kubectl = custom_resources.kubectl
    install(kubectl, definition)
    body = yaml.safe_load(model("m", autoscaling={**SCALED, "behavior": behavior}))
    body["metadata"] |= {"namespace": apiserver_namespace, "uid": "1"}
    manifest = scaled_object(ModelDeployment.model_validate(body), Keda(URL, served=True))
    strict = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", "-o", "yaml")
    stored = yaml.safe_load(kubectl(*strict, stdin=yaml.safe_dump(manifest)))
    assert manifest is not None
    assert stored["spec"] == manifest["spec"]
