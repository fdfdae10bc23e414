"""The chart's PodMonitors are as the Prometheus Operator has them, and select the pods and ports that there are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.builders.deployment import deployment
from tests.chart import Helm, of_kind
from tests.cluster.apiserver import ApiServer
from tests.go_modules import PROMETHEUS_OPERATOR
from tests.operators import model

pytestmark = pytest.mark.apiserver

ENABLED = ("metrics.podMonitor.enabled=true", "metrics.podMonitor.labels.release=monitoring")


@pytest.fixture(scope="module")
def definition(apiserver: ApiServer) -> Iterator[Path]:
    """The API server knows PodMonitors."""
    folder = PROMETHEUS_OPERATOR.folder() / "example" / "prometheus-operator-crd"
    file = folder / "monitoring.coreos.com_podmonitors.yaml"
    apiserver.kubectl("apply", "--server-side", "-f", str(file))
    apiserver.kubectl("wait", "--for=condition=Established", "-f", str(file), "--timeout=30s")
    yield file
    apiserver.kubectl("delete", "-f", str(file))


@pytest.mark.usefixtures("definition")
@pytest.mark.parametrize("values", [ENABLED, (*ENABLED, "watchNamespaces={team-a}")], ids=["everywhere", "one"])
def test_every_field_is_the_prometheus_operators(
    apiserver: ApiServer, apiserver_namespace: str, helm: Helm, values: tuple[str, ...]
) -> None:
    monitors = of_kind(helm.render(*values), "PodMonitor")
    assert monitors.keys() == {"slipway-model", "slipway-operator", "slipway-router"}
    answer = apiserver.kubectl(
        "apply",
        "--dry-run=server",
        "--validate=strict",
        f"--namespace={apiserver_namespace}",
        "-f",
        "-",
        stdin=yaml.safe_dump_all(monitors.values()),
    )
    assert len(answer.splitlines()) == len(monitors)
    assert {monitor["metadata"]["labels"]["release"] for monitor in monitors.values()} == {"monitoring"}


def test_they_select_what_there_is(helm: Helm) -> None:
    objects = helm.render(*ENABLED)
    pods = {name: item["spec"]["template"] for name, item in of_kind(objects, "Deployment").items()}
    body = model("chat")
    body["metadata"]["uid"] = "1"
    pods["slipway-model"] = deployment(ModelDeployment.model_validate(body), "image", True, {})["spec"]["template"]
    monitors = {name: item["spec"] for name, item in of_kind(objects, "PodMonitor").items()}
    assert {name: [other for other in pods if _finds(monitors[name], pods[other])] for name in monitors} == {
        name: [name] for name in pods
    }
    assert monitors["slipway-model"]["podTargetLabels"] == ["slipway.dev/model"]
    assert monitors["slipway-router"]["podMetricsEndpoints"][0]["honorLabels"] is True


def _finds(monitor: dict[str, Any], pod: dict[str, Any]) -> bool:
    (endpoint,) = monitor["podMetricsEndpoints"]
    ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
    return monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items() and endpoint["port"] in ports
