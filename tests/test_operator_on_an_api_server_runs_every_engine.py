"""On a real API server, with the chart's rights: the pods of every engine are taken as they are, under `restricted`."""

from typing import Any

import pytest
import yaml

from slipway_crds.engines import ENGINES, EngineType
from tests.cluster.apiserver import ApiServer
from tests.eventually import eventually
from tests.installation import model
from tests.operator_process import OperatorProcess

pytestmark = pytest.mark.apiserver

SPECS: dict[EngineType, dict[str, Any]] = {
    EngineType.VLLM: {
        "adapters": [{"name": "sql", "source": "pvc://adapters/sql"}],
        "resources": {"gpu": {"count": 4}},
    },
    EngineType.LLAMACPP: {"cache": {"size": "1Gi"}},
    EngineType.ONNX: {"tasks": ["rerank"]},
    EngineType.DIFFUSERS: {"resources": {"gpu": {"count": 1}}},
    EngineType.TEI: {"routing": {"maxConcurrency": 64}, "resources": {"gpu": {"count": 1}}},
    EngineType.DUMMY: {},
}


def test_no_engine_is_left_out() -> None:
    assert SPECS.keys() == {engine for engine in EngineType if ENGINES[engine].in_pod}


@pytest.mark.parametrize("engine", SPECS)
def test_a_deployment_is_taken_and_stays(
    operator: OperatorProcess, apiserver: ApiServer, apiserver_namespace: str, engine: EngineType
) -> None:
    kubectl = apiserver.kubectl
    kubectl("label", "namespace", apiserver_namespace, "pod-security.kubernetes.io/enforce=restricted")
    spec = {
        "engine": {"type": engine.value, "image": "registry.example/engine:1", "args": ["--flag=1"]},
        "model": {"source": "hf://org/repo@main"},
        **SPECS[engine],
    }
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=model("m", **spec))

    def deployment() -> dict[str, Any]:
        return kubectl.get("deployment", "m", "-n", apiserver_namespace)

    made = eventually("the Deployment", deployment, bool, within=10)
    eventually("a status", lambda: kubectl.get("mdep", "m", "-n", apiserver_namespace).get("status"), bool, within=10)
    # Another pass compares what the API server has stored with what was applied.
    passes = operator.passes()
    kubectl("annotate", "mdep", "m", "seen=1", "-n", apiserver_namespace)
    eventually("another pass", operator.passes, lambda seen: seen > passes, within=10)
    assert deployment()["metadata"]["generation"] == made["metadata"]["generation"] == 1
    template = made["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "m"},
        "spec": template["spec"],
    }
    pod["spec"] |= {"restartPolicy": "Always", "serviceAccountName": "m"}
    answer = kubectl("apply", "-n", apiserver_namespace, "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(pod))
    assert answer.strip() == "pod/m created (server dry run)"
