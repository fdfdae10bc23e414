"""On a real API server, with the chart's rights: children appear, come back, and go without a finalizer."""

import json
from typing import Any

import pytest
import yaml

from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import CommandError
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.installation import model
from tests.operator_process import OperatorProcess

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("operator")]

KINDS = "deployments,services,serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets,persistentvolumeclaims"
FIXED: dict[str, Any] = {"replicas": 2, "cache": {"size": "1Gi"}}
SCALED: dict[str, Any] = {"autoscaling": {"maxReplicas": 3}, "resources": {"requests": {"cpu": "0.5"}}}
OF_FIXED = {"Deployment/m", "Service/m", "ServiceAccount/m", "PodDisruptionBudget/m", "PersistentVolumeClaim/m-cache"}


@pytest.fixture
def kubectl(operator: OperatorProcess, apiserver: ApiServer) -> Kubectl:
    return apiserver.kubectl


def children(kubectl: Kubectl, namespace: str) -> dict[str, dict[str, Any]]:
    items = kubectl.get(KINDS, "-n", namespace, "-l", "slipway.dev/model=m")["items"]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}


def apply(kubectl: Kubectl, namespace: str, **spec: Any) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", stdin=model("m", **spec))


def wait_for(kubectl: Kubectl, namespace: str, expected: set[str]) -> dict[str, dict[str, Any]]:
    return eventually(
        "the children", lambda: children(kubectl, namespace), lambda seen: set(seen) == expected, within=5
    )


def status(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("mdep", "m", "-n", namespace).get("status", {})
    return found


def wait_for_another(kubectl: Kubectl, namespace: str, name: str, uid: str, within: float) -> None:
    eventually(
        f"{name} is back",
        lambda: children(kubectl, namespace)[name]["metadata"]["uid"],
        lambda seen: seen != uid,
        within=within,
    )


def test_every_child_is_made_with_its_owner_and_nothing_of_kopf(kubectl: Kubectl, apiserver_namespace: str) -> None:
    apply(kubectl, apiserver_namespace, **FIXED)
    made = wait_for(kubectl, apiserver_namespace, OF_FIXED)
    owner = kubectl.get("mdep", "m", "-n", apiserver_namespace)["metadata"]
    for child in made.values():
        assert [reference["uid"] for reference in child["metadata"]["ownerReferences"]] == [owner["uid"]]
    assert "finalizers" not in owner
    assert [name for name in owner["annotations"] if "kubectl" not in name] == []


def test_the_status_says_what_is(kubectl: Kubectl, apiserver_namespace: str) -> None:
    apply(kubectl, apiserver_namespace, **FIXED)
    seen = eventually("a status", lambda: status(kubectl, apiserver_namespace), bool, within=5)
    assert {item["type"]: item["reason"] for item in seen["conditions"]} == {
        "Ready": "Pending",
        "Progressing": "Pending",
        "AutoscalingReady": "AutoscalingDisabled",
    }
    assert (seen["observedGeneration"], seen["ready"], seen["image"]) == (1, "0/2", "example/dummy:1")
    assert seen["url"] == f"http://m.{apiserver_namespace}.svc/v1"
    scale = json.loads(
        kubectl("get", "--raw", f"/apis/slipway.dev/v1alpha1/namespaces/{apiserver_namespace}/modeldeployments/m/scale")
    )
    assert scale["spec"]["replicas"] == 2
    assert scale["status"]["selector"] == "app.kubernetes.io/name=slipway-model,slipway.dev/model=m"


def test_every_deleted_child_is_back_within_two_seconds(kubectl: Kubectl, apiserver_namespace: str) -> None:
    apply(kubectl, apiserver_namespace, **FIXED)
    made = wait_for(kubectl, apiserver_namespace, OF_FIXED)
    # No controller takes the claim's protection away here, so that it could go.
    for name in sorted(OF_FIXED - {"PersistentVolumeClaim/m-cache"}):
        kubectl("delete", name, "-n", apiserver_namespace, "--wait=false")
        wait_for_another(kubectl, apiserver_namespace, name, made[name]["metadata"]["uid"], within=2)


@pytest.mark.parametrize(
    ("child", "patch", "path"),
    [
        ("service/m", [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}], "{.spec.ports[0].port}"),
        ("service/m", [{"op": "remove", "path": "/spec/selector"}], "{.spec.selector}"),
        ("deployment/m", [{"op": "replace", "path": "/spec/replicas", "value": 5}], "{.spec.replicas}"),
        (
            "deployment/m",
            [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other"}],
            "{.spec.template.spec.containers[0].image}",
        ),
        ("serviceaccount/m", [{"op": "remove", "path": "/metadata/labels"}], "{.metadata.labels}"),
        ("service/m", [{"op": "remove", "path": "/metadata/labels/slipway.dev~1model"}], "{.metadata.labels}"),
    ],
)
def test_a_child_edited_by_hand_is_put_right(
    kubectl: Kubectl, apiserver_namespace: str, child: str, patch: list[dict[str, Any]], path: str
) -> None:
    def look() -> str:
        return kubectl("get", child, "-n", apiserver_namespace, "-o", f"jsonpath={path}")

    apply(kubectl, apiserver_namespace, **FIXED)
    wait_for(kubectl, apiserver_namespace, OF_FIXED)
    before = look()
    kubectl("patch", child, "-n", apiserver_namespace, "--type=json", "-p", json.dumps(patch))
    eventually(f"{path} of {child}", look, lambda seen: seen == before, within=2)


def test_an_autoscaler_keeps_the_replicas_it_is_given(kubectl: Kubectl, apiserver_namespace: str) -> None:
    apply(kubectl, apiserver_namespace, replicas=4)
    wait_for(kubectl, apiserver_namespace, OF_FIXED - {"PersistentVolumeClaim/m-cache"})
    apply(kubectl, apiserver_namespace, **SCALED)
    made = wait_for(
        kubectl,
        apiserver_namespace,
        {"Deployment/m", "Service/m", "ServiceAccount/m", "HorizontalPodAutoscaler/m", "PodDisruptionBudget/m"},
    )
    assert made["Deployment/m"]["spec"]["replicas"] == 4
    kubectl("scale", "deployment/m", "-n", apiserver_namespace, "--replicas=3")
    kubectl("annotate", "mdep/m", "-n", apiserver_namespace, "look=again")
    seen = eventually("3 wanted", lambda: status(kubectl, apiserver_namespace), lambda s: s["ready"] == "0/3", within=5)
    assert seen["observedGeneration"] == 2
    assert children(kubectl, apiserver_namespace)["Deployment/m"]["spec"]["replicas"] == 3


def test_deletion_waits_for_nobody(kubectl: Kubectl, apiserver_namespace: str) -> None:
    apply(kubectl, apiserver_namespace, **FIXED)
    wait_for(kubectl, apiserver_namespace, OF_FIXED)
    kubectl("delete", "mdep/m", "-n", apiserver_namespace, "--timeout=3s")
    with pytest.raises(CommandError, match="not found"):
        kubectl.get("mdep", "m", "-n", apiserver_namespace)


def test_a_foreign_service_of_the_same_name_is_named(kubectl: Kubectl, apiserver_namespace: str) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "m"},
        "spec": {"selector": {"app": "other"}, "ports": [{"name": "http", "port": 80, "targetPort": 9999}]},
    }
    kubectl("create", "-n", apiserver_namespace, "-f", "-", stdin=yaml.safe_dump(service))
    apply(kubectl, apiserver_namespace)
    seen = eventually("a status", lambda: status(kubectl, apiserver_namespace), bool, within=5)
    ready = next(item for item in seen["conditions"] if item["type"] == "Ready")
    assert ready["reason"] == "ReconcileFailed"
    assert "Service m exists and does not belong to this ModelDeployment" in ready["message"]
    live = kubectl.get("service", "m", "-n", apiserver_namespace)
    assert live["spec"]["ports"][0]["targetPort"] == 9999
    kubectl("delete", "mdep/m", "-n", apiserver_namespace)  # It would be tried again while other tests count writes.
