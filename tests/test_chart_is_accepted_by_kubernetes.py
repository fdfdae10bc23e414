from typing import Any

import pytest
import yaml

from tests.chart import NAMESPACE, Helm, of_kind
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

CHOICES = [
    (),
    (f"watchNamespaces={{{NAMESPACE}}}", "crds.install=false"),
    (
        "operator.replicas=2",
        "router.replicas=3",
        "networkPolicy.enabled=true",
        "router.service.type=LoadBalancer",
        "router.service.nodePort=30080",
        "router.service.loadBalancerClass=example.com/lb",
        "router.service.loadBalancerSourceRanges={203.0.113.0/24}",
        "router.service.annotations.team=ml",
        "router.nodeSelector.disk=ssd",
        "router.tolerations[0].operator=Exists",
        "router.priorityClassName=high",
        "router.env[0].name=EXTRA,router.env[0].value=x",
        "router.podLabels.team=ml",
        "operator.podAnnotations.note=x",
        "operator.serviceAccountAnnotations.role=x",
        "image.pullSecrets[0].name=registry",
    ),
]


@pytest.fixture
def system_namespace(custom_resources: ApiServer) -> str:
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
    custom_resources.kubectl.apply(yaml.safe_dump_all([manifest, account]))
    return NAMESPACE


@pytest.mark.parametrize("values", CHOICES, ids=["defaults", "one namespace", "everything set"])
def test_every_object_is_valid(
    custom_resources: ApiServer, helm: Helm, system_namespace: str, values: tuple[str, ...]
) -> None:
    objects = helm.render(*values)
    for item in objects:
        if not item["kind"].startswith(("Cluster", "CustomResourceDefinition")):
            item["metadata"].setdefault("namespace", system_namespace)
    answer = custom_resources.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects)
    )
    assert len(answer.splitlines()) == len(objects)


@pytest.mark.parametrize("values", CHOICES, ids=["defaults", "one namespace", "everything set"])
def test_pods_meet_the_restricted_pod_security_standard(
    custom_resources: ApiServer, helm: Helm, system_namespace: str, values: tuple[str, ...]
) -> None:
    deployments = of_kind(helm.render(*values), "Deployment")
    assert deployments.keys() == {"slipway-operator", "slipway-router"}
    for name, deployment in deployments.items():
        pod = _pod(name, deployment["spec"]["template"])
        answer = custom_resources.kubectl(
            "apply", f"--namespace={system_namespace}", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod)
        )
        assert answer.strip() == f"pod/{name} created (server dry run)"


def _pod(name: str, template: dict[str, Any]) -> dict[str, Any]:
    """The pod of a template, without what other objects and controllers would have to bring."""
    spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
    metadata = {**template["metadata"], "name": name}
    accounts = {"serviceAccountName": "default", "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, **accounts}}


def test_root_file_systems_are_read_only(helm: Helm) -> None:
    for deployment in of_kind(helm.render(), "Deployment").values():
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_disruption_budgets_come_with_the_second_replica(helm: Helm) -> None:
    assert not of_kind(helm.render(), "PodDisruptionBudget")
    assert of_kind(helm.render("router.replicas=2"), "PodDisruptionBudget").keys() == {"slipway-router"}
