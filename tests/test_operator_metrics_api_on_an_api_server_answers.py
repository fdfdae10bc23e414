"""``kubectl get --raw`` through the aggregation layer of a real API server reaches the operator's metrics API."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import CommandError
from tests.cluster.namespaces import emptied_namespace
from tests.eventually import eventually
from tests.metrics_apis import Serving, follow, make_pod, serving

pytestmark = pytest.mark.apiserver

GROUP = "/apis/custom.metrics.k8s.io"
IN_FLIGHT = "slipway_in_flight_requests"
SELECTOR = "labelSelector=app.kubernetes.io%2Fname%3Dslipway-model%2Cslipway.dev%2Fmodel%3Dchat"


ROUTER = (
    'slipway_router_replica_in_flight_requests{namespace="any",model="tei",endpoint="127.0.9.9:8000"} 6.0\n'
    'slipway_router_replica_in_flight_requests{namespace="any",model="chat",endpoint="127.0.9.1:8000"} 2.0\n'
)


@pytest.fixture(scope="module")
def namespace(apiserver: ApiServer) -> Iterator[str]:
    with emptied_namespace(apiserver.kubectl) as name:
        yield name


@pytest.fixture(scope="module")
def metrics_api(apiserver: ApiServer, namespace: str) -> Iterator[Serving]:
    """Serves two pods of the model ``chat``, which an autoscaler follows, and one of ``other``, which none follows.

    The one of ``tei`` answers nobody; a router, which is where ``other`` is, tells of its requests.
    """
    for name, model, address in (
        ("chat-0", "chat", "127.0.9.1"),
        ("chat-1", "chat", "127.0.9.2"),
        ("other-0", "other", "127.0.9.3"),
    ):
        make_pod(apiserver, namespace, name, model, address)
    make_pod(apiserver, namespace, "tei-0", "tei", "127.0.9.9", {"slipway.dev/engine": "tei"})
    make_pod(apiserver, namespace, "router-0", "none", "127.0.9.3", {"app.kubernetes.io/component": "router"})
    for model in ("chat", "tei"):
        follow(apiserver, namespace, model, [IN_FLIGHT])
    with serving(apiserver, namespace) as started:
        started.pods.texts.update(
            {
                "127.0.9.1": "slipway_runtime_in_flight 1.5\n",
                "127.0.9.2": "slipway_runtime_in_flight 4\n",
                "127.0.9.3": f"slipway_runtime_in_flight 9\n{ROUTER}",
            }
        )
        eventually("it is registered", lambda: started.state.registered, bool, within=10)
        for version in ("v1beta1", "v1beta2"):
            condition = "--for=condition=Available"
            apiserver.kubectl("wait", f"apiservice/{version}.custom.metrics.k8s.io", condition, "--timeout=20s")
        yield started


def values(server: ApiServer, path: str) -> dict[str, str]:
    """Value by name of object."""
    return {item["describedObject"]["name"]: item["value"] for item in get(server, path)["items"]}


def get(server: ApiServer, path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(server.kubectl("get", "--raw", f"{GROUP}/{path}"))
    return document


def test_a_container_that_counts_no_requests_has_those_of_the_routers(
    metrics_api: Serving, apiserver: ApiServer, namespace: str
) -> None:
    assert metrics_api.state.registered, metrics_api.state
    place = f"v1beta2/namespaces/{namespace}/pods/tei-0/{IN_FLIGHT}"
    # At first, a mean with the time before the router knew of any.
    told = eventually(
        "its requests are told", lambda: values(apiserver, place)["tei-0"], lambda seen: seen != "0", within=10
    )
    assert told == "6" or 0 < int(told.removesuffix("m")) < 6000


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
def test_values_of_pods_and_models(metrics_api: Serving, apiserver: ApiServer, namespace: str, version: str) -> None:
    assert metrics_api.state.registered, metrics_api.state
    place = f"{version}/namespaces/{namespace}"
    expected = {"chat-0": "1500m", "chat-1": "4"}
    seen = eventually(
        "both pods are told",
        lambda: values(apiserver, f"{place}/pods/*/{IN_FLIGHT}?{SELECTOR}"),
        lambda seen: seen == expected,
        within=10,
    )
    assert seen == expected
    assert values(apiserver, f"{place}/services/chat/{IN_FLIGHT}") == {"chat": "5500m"}
    assert values(apiserver, f"{place}/deployments.apps/chat/{IN_FLIGHT}") == {"chat": "5500m"}
    assert get(apiserver, f"{place}/pods/*/{IN_FLIGHT}")["apiVersion"] == f"custom.metrics.k8s.io/{version}"
    assert "other-0" not in values(apiserver, f"{place}/pods/*/{IN_FLIGHT}")


def test_it_is_discovered(metrics_api: Serving, apiserver: ApiServer) -> None:
    listed = get(apiserver, "v1beta2")
    assert f"pods/{IN_FLIGHT}" in {resource["name"] for resource in listed["resources"]}
    # kubectl asks for the aggregated discovery of all groups, which the API server makes of what it was told.
    groups = eventually(
        "the group is discovered", lambda: apiserver.kubectl("api-versions").split(), _has_group, within=30
    )
    assert "custom.metrics.k8s.io/v1beta1" in groups


def _has_group(versions: list[str]) -> bool:
    return "custom.metrics.k8s.io/v1beta2" in versions


def test_failures_come_as_status(metrics_api: Serving, apiserver: ApiServer, namespace: str) -> None:
    with pytest.raises(CommandError, match="no metric nothing of pods is served"):
        get(apiserver, f"v1beta2/namespaces/{namespace}/pods/*/nothing")
    with pytest.raises(CommandError, match=f"Service {namespace}/other has no value"):
        get(apiserver, f"v1beta2/namespaces/{namespace}/services/other/{IN_FLIGHT}")


def test_only_who_may_see_them_gets_values(metrics_api: Serving, apiserver: ApiServer, namespace: str) -> None:
    path = f"{GROUP}/v1beta2/namespaces/{namespace}/pods/*/{IN_FLIGHT}"
    with pytest.raises(CommandError, match=r"(?i)forbidden"):
        apiserver.kubectl("get", "--raw", path, "--as=nobody")
    hpa_controller = "--as=system:serviceaccount:kube-system:horizontal-pod-autoscaler"
    role = "kind: ClusterRole\nrules: [{apiGroups: [custom.metrics.k8s.io], resources: ['*'], verbs: [get, list]}]"
    meta = "metadata: {name: test-reads-metrics}\napiVersion: rbac.authorization.k8s.io/v1\n"
    subject = "{kind: ServiceAccount, name: horizontal-pod-autoscaler, namespace: kube-system}"
    reference = "{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-reads-metrics}"
    binding = f"kind: ClusterRoleBinding\nroleRef: {reference}\nsubjects: [{subject}]"
    apiserver.kubectl.apply(f"{meta}{role}\n---\n{meta}{binding}\n")
    allowed = eventually(
        "the right takes effect", lambda: apiserver.kubectl("get", "--raw", path, hpa_controller), bool, within=15
    )
    assert json.loads(allowed)["kind"] == "MetricValueList"


def test_a_pod_that_falls_silent_is_not_told_for_long(
    metrics_api: Serving, apiserver: ApiServer, namespace: str
) -> None:
    path = f"v1beta2/namespaces/{namespace}/pods/*/{IN_FLIGHT}"
    eventually("it is told", lambda: values(apiserver, path), lambda seen: "chat-1" in seen, within=10)
    not_ready = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    apiserver.kubectl(
        "patch", "pod", "chat-1", "-n", namespace, "--subresource=status", "--type=merge", "-p", not_ready
    )
    eventually(
        "it is not told", lambda: set(values(apiserver, path)), lambda seen: seen == {"chat-0", "tei-0"}, within=10
    )
