"""Every replica serves the metrics API; where it cannot be registered, the operator acts all the same."""

import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway_operator.domain.metrics_api.serving import api_service_names
from tests.chart import NAMESPACE as SYSTEM_NAMESPACE
from tests.cluster.apiserver import ApiServer
from tests.eventually import eventually
from tests.installation import model
from tests.metrics_apis import remove_api_services, service_on_loopback
from tests.operator_process import OperatorProcess, OperatorRights
from tests.runtimes import free_port

pytestmark = pytest.mark.apiserver

NAME = "slipway-metrics-api"
DISCOVERY = "/apis/custom.metrics.k8s.io/v1beta2"
SCALED = {"maxReplicas": 3, "metrics": [{"type": "queueLength", "target": 2000}]}


@pytest.fixture
def server(operator_rights: OperatorRights) -> Iterator[ApiServer]:
    """With the chart's Service, which leads to loopback here, and its empty Secret."""
    server = operator_rights.server
    empty = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": SYSTEM_NAMESPACE}}
    remove_api_services(server)
    server.kubectl.apply(service_on_loopback(SYSTEM_NAMESPACE, NAME))
    server.kubectl.apply(yaml.safe_dump(empty))
    yield server
    remove_api_services(server)
    server.kubectl("delete", "service,secret", NAME, "-n", SYSTEM_NAMESPACE)


def settings(port: int, **more: str) -> dict[str, str]:
    return {
        "SLIPWAY_METRICS_MODE": "builtin",
        "SLIPWAY_METRICS_HOST": "127.0.0.1",
        "SLIPWAY_METRICS_PORT": str(port),
        "SLIPWAY_METRICS_SERVICE_PORT": str(port),
        "SLIPWAY_METRICS_OWNER": NAME,
        **more,
    }


def wait_ready(operator: OperatorProcess) -> None:
    eventually("it is ready", lambda: operator.status("/readyz"), lambda code: code == 200, within=20)


def autoscaling(server: ApiServer, namespace: str) -> dict[str, Any]:
    conditions = server.kubectl.get("mdep", "scaled", "-n", namespace)["status"]["conditions"]
    return next(item for item in conditions if item["type"] == "AutoscalingReady")


def test_it_is_registered_and_models_follow_it(
    operator_rights: OperatorRights, server: ApiServer, apiserver_namespace: str, tmp_path: Path
) -> None:
    kubectl = server.kubectl
    with operator_rights.running(tmp_path, **settings(free_port())) as operator:
        wait_ready(operator)
        eventually("it answers", lambda: kubectl("get", "--raw", DISCOVERY), lambda it: "pods/" in it, within=20)
        uid = kubectl.get("clusterrole", NAME)["metadata"]["uid"]
        owners = [kubectl.get("apiservice", name)["metadata"]["ownerReferences"] for name in api_service_names()]
        assert [[owner["uid"] for owner in each] for each in owners] == [[uid], [uid]]
        kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=model("scaled", autoscaling=SCALED))
        eventually(
            "the model is scaled by it",
            lambda: autoscaling(server, apiserver_namespace)["reason"],
            lambda reason: reason == "AutoscalingConfigured",
            within=20,
        )
        (metric,) = kubectl.get("hpa", "scaled", "-n", apiserver_namespace)["spec"]["metrics"]
        assert metric["pods"]["target"]["averageValue"] == "2k"
        kind = 'slipway_operator_api_writes_total{kind="HorizontalPodAutoscaler"'
        assert [count for name, count in operator.metrics().items() if name.startswith(kind)] == [1]
        assert operator.end(signal.SIGTERM) == 0, operator.log.read_text()


def test_a_replica_that_waits_for_the_lease_serves_with_the_same_certificate(
    operator_rights: OperatorRights, server: ApiServer, tmp_path: Path
) -> None:
    ports = (free_port(), free_port())
    with (
        operator_rights.running(tmp_path, "a", **settings(ports[0])) as first,
        operator_rights.running(tmp_path, "b", **settings(ports[1])) as second,
    ):
        for replica in (first, second):
            wait_ready(replica)
        shown = eventually(
            "both listen",
            lambda: {ssl.get_server_certificate(("127.0.0.1", port), timeout=5) for port in ports},
            bool,
            within=20,
        )
        eventually("one leads", lambda: [first.leads(), second.leads()], any, within=20)
        assert not (first.leads() and second.leads())
        assert len(shown) == 1
        assert {first.end(signal.SIGTERM), second.end(signal.SIGTERM)} == {0}


def test_where_it_cannot_be_registered_models_are_told_and_served(
    operator_rights: OperatorRights, server: ApiServer, apiserver_namespace: str, tmp_path: Path
) -> None:
    refused = settings(free_port(), SLIPWAY_METRICS_OWNER="not-the-charts")
    with operator_rights.running(tmp_path, **refused) as operator:
        wait_ready(operator)
        eventually("it leads", operator.leads, bool, within=30)
        server.kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=model("scaled", autoscaling=SCALED))
        told = eventually(
            "the model's condition tells it",
            lambda: autoscaling(server, apiserver_namespace),
            lambda condition: condition["reason"] == "MetricsApiUnavailable",
            within=30,
        )
        assert "not-the-charts" in told["message"]
        assert operator.end(signal.SIGTERM) == 0, operator.log.read_text()
