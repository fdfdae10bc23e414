"""What `kubectl` shows and does with the custom resources."""

import json

import pytest

from slipway_crds.documents import KINDS
from slipway_crds.names import GROUP
from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import CommandError

pytestmark = pytest.mark.apiserver

MODEL = """
apiVersion: slipway.dev/v1alpha1
kind: ModelDeployment
metadata: {name: shown}
spec:
  model: {source: demo://chat}
  engine: {type: llamacpp}
  resources: {gpu: {count: 2}}
  replicas: 1
"""
STATUS = {
    "status": {
        "replicas": 1,
        "ready": "0/1",
        "selector": "slipway.dev/model=shown",
        "url": "http://shown.default",
        "image": "runtime:1",
        "device": "cuda",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/1 nodes are available",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }
        ],
    }
}


@pytest.fixture
def shown(custom_resources: ApiServer, apiserver_namespace: str) -> tuple[ApiServer, str]:
    namespace = f"--namespace={apiserver_namespace}"
    custom_resources.kubectl("apply", namespace, "-f", "-", stdin=MODEL)
    patch = f"--patch={json.dumps(STATUS)}"
    custom_resources.kubectl("patch", namespace, "mdep", "shown", "--subresource=status", "--type=merge", patch)
    return custom_resources, namespace


@pytest.mark.parametrize("plural", sorted(kind.plural for kind in KINDS.values()))
def test_the_schema_is_structural_and_the_names_are_accepted(custom_resources: ApiServer, plural: str) -> None:
    found = custom_resources.kubectl.get("crd", f"{plural}.{GROUP}")["status"]["conditions"]
    assert {c["type"]: c["status"] for c in found} == {"Established": "True", "NamesAccepted": "True"}


def test_columns_tell_what_runs_and_why_it_does_not(shown: tuple[ApiServer, str]) -> None:
    server, namespace = shown
    header, row = server.kubectl("get", namespace, "mdep").splitlines()
    assert header.split() == ["NAME", "MODEL", "ENGINE", "READY", "REASON", "AGE"]
    assert row.split()[:5] == ["shown", "demo://chat", "llamacpp", "0/1", "Unschedulable"]


def test_wide_columns_tell_where_it_runs(shown: tuple[ApiServer, str]) -> None:
    server, namespace = shown
    header, row = server.kubectl("get", namespace, "mdep", "-o", "wide").splitlines()
    wide = ["URL", "GPU", "DEVICE", "IMAGE", "MESSAGE"]
    assert header.split() == ["NAME", "MODEL", "ENGINE", "READY", "REASON", "AGE", *wide]
    assert row.split()[6:10] == ["http://shown.default", "2", "cuda", "runtime:1"]
    assert row.endswith("0/1 nodes are available")


def test_the_scale_subresource_reads_and_sets_replicas(shown: tuple[ApiServer, str]) -> None:
    server, namespace = shown
    server.kubectl("scale", namespace, "mdep/shown", "--replicas=3")
    scale = server.kubectl.get(namespace, "mdep", "shown", "--subresource=scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 1, "selector": "slipway.dev/model=shown"})


def test_every_kind_answers_to_its_short_name_and_to_the_category(shown: tuple[ApiServer, str]) -> None:
    server, namespace = shown
    for kind in KINDS.values():
        server.kubectl("get", namespace, *kind.short_names)
    assert "modeldeployment.slipway.dev/shown" in server.kubectl("get", namespace, "slipway", "-o", "name")


def test_an_unknown_field_is_refused(custom_resources: ApiServer) -> None:
    wrong = MODEL.replace("replicas: 1", "replica: 1")
    with pytest.raises(CommandError, match=r'unknown field "spec\.replica"'):
        custom_resources.kubectl("create", "--dry-run=server", "-f", "-", stdin=wrong)


def test_fields_are_explained(custom_resources: ApiServer) -> None:
    explained = custom_resources.kubectl("explain", "modeldeployment.spec.autoscaling.scaleToZero.idleAfter")
    assert "How long without a request, since a replica was ready" in explained
