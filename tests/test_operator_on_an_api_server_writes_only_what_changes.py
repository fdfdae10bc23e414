"""A second pass over an unchanged world issues no write, as the API server itself counts them."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.cluster.apiserver import ApiServer
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.installation import api_key, model
from tests.operator_process import OperatorProcess

pytestmark = pytest.mark.apiserver

SAMPLE = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')
READS = {"GET", "LIST", "WATCH", "CONNECT"}
WRITTEN_BY_OPERATORS = {
    "modeldeployments",
    "apikeys",
    "modelroutes",
    "deployments",
    "services",
    "serviceaccounts",
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
    "persistentvolumeclaims",
    "secrets",
    "events",
}

SPECS: dict[str, dict[str, Any]] = {
    "plain": {},
    "full": {"replicas": 3, "cache": {"size": "1024Mi"}, "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}}},
    "scaled": {"autoscaling": {"maxReplicas": 4}, "resources": {"requests": {"cpu": 1}}},
    "asleep": {"lifecycle": {"suspend": True, "drainTimeout": "90s"}},
    "shaped": {
        "engine": {"type": "onnx", "args": ["--x"], "env": [{"name": "A", "value": ""}, {"name": "B"}]},
        "resources": {"gpu": {"count": 1}},
        "template": {
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "nodeSelector": {"a": "b"},
            "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1024Mi"}}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "affinity": {"nodeAffinity": {}},
        },
    },
    "external": {"engine": {"type": "external"}, "model": {"source": "https://api.example.com/v1"}},
}


def writes(kubectl: Kubectl) -> Counter[str]:
    """Writes that the API server answered so far, by verb and resource."""
    counted: Counter[str] = Counter()
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        sample = SAMPLE.match(line)
        if sample is None:
            continue
        labels = dict(LABEL.findall(sample["labels"]))
        if labels["verb"] not in READS and labels["resource"] in WRITTEN_BY_OPERATORS:
            counted[f"{labels['verb']} {labels['resource']}/{labels['subresource']}"] += int(float(sample["value"]))
    return counted


def quiet(operator: OperatorProcess, seen: list[float]) -> bool:
    """Whether there was no pass since the last look."""
    seen.append(operator.passes())
    return seen[-2:-1] == seen[-1:]


def test_a_second_pass_writes_nothing(
    apiserver: ApiServer, operator: OperatorProcess, apiserver_namespace: str
) -> None:
    kubectl = apiserver.kubectl
    manifests = [model(name, **spec) for name, spec in SPECS.items()] + [api_key("k")]
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin="---\n".join(manifests))
    eventually(
        "every object has a status",
        lambda: [bool(i.get("status")) for i in kubectl.get("mdep,sakey", "-n", apiserver_namespace)["items"]],
        lambda seen: seen == [True] * len(manifests),
        within=10,
    )
    seen: list[float] = []
    eventually("no pass for a second", lambda: quiet(operator, seen), bool, within=10, every=1.0)

    settled, passes = writes(kubectl), operator.passes()
    touched = kubectl("annotate", "mdep,sakey", "--all", "-n", apiserver_namespace, "look=again").splitlines()
    eventually("a pass for each", operator.passes, lambda n: n >= passes + len(touched), within=10)
    made = writes(kubectl) - settled
    assert len(touched) == len(manifests)
    assert made == Counter({"PATCH modeldeployments/": len(SPECS), "PATCH apikeys/": 1}), operator.log.read_text()
