"""On a real API server: the younger of two models with the same served name is refused, and recovers by itself."""

import pytest

from tests.cluster.apiserver import ApiServer
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.installation import model
from tests.operator_process import OperatorProcess

pytestmark = pytest.mark.apiserver

SOURCE = "demo://dummy"


@pytest.fixture
def kubectl(operator: OperatorProcess, apiserver: ApiServer) -> Kubectl:
    return apiserver.kubectl


def apply(kubectl: Kubectl, namespace: str, name: str, served: str) -> None:
    manifest = model(name, model={"source": SOURCE, "servedNames": [served]})
    kubectl("apply", "-n", namespace, "-f", "-", stdin=manifest)


def wait_for(kubectl: Kubectl, namespace: str, name: str, reason: str, within: float) -> None:
    path = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].reason}'
    eventually(
        f"{name} is {reason}",
        lambda: kubectl("get", "mdep", name, "-n", namespace, path),
        lambda seen: seen == reason,
        within=within,
    )


def deployments(kubectl: Kubectl, namespace: str) -> set[str]:
    return {item["metadata"]["name"] for item in kubectl.get("deployments", "-n", namespace)["items"]}


def test_the_name_goes_to_the_younger_one_when_the_older_one_gives_it_up(
    kubectl: Kubectl, apiserver_namespace: str
) -> None:
    for name in ("a", "b"):
        apply(kubectl, apiserver_namespace, name, apiserver_namespace)
    wait_for(kubectl, apiserver_namespace, "b", "ServedNameConflict", within=5)
    wait_for(kubectl, apiserver_namespace, "a", "Pending", within=5)
    assert deployments(kubectl, apiserver_namespace) == {"a"}

    apply(kubectl, apiserver_namespace, "a", f"{apiserver_namespace}-old")
    wait_for(kubectl, apiserver_namespace, "b", "Pending", within=3)
    assert deployments(kubectl, apiserver_namespace) == {"a", "b"}


def test_the_name_goes_to_the_younger_one_when_the_older_one_is_deleted(
    kubectl: Kubectl, apiserver_namespace: str
) -> None:
    for name in ("a", "b"):
        apply(kubectl, apiserver_namespace, name, apiserver_namespace)
    wait_for(kubectl, apiserver_namespace, "b", "ServedNameConflict", within=5)
    kubectl("delete", "mdep", "a", "-n", apiserver_namespace)
    wait_for(kubectl, apiserver_namespace, "b", "Pending", within=3)
