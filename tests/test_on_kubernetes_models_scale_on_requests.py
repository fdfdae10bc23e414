"""With nothing installed but the chart, Kubernetes' autoscaler follows a model's requests up and down again."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest

from tests.cluster.fixtures import Cluster
from tests.eventually import eventually
from tests.installation import Installation, api_key, model, wait_rolled_out
from tests.killing import kill_pods

pytestmark = pytest.mark.cluster

API = "/apis/custom.metrics.k8s.io/v1beta2"
API_SERVICES = tuple(f"apiservice/{version}.custom.metrics.k8s.io" for version in ("v1beta1", "v1beta2"))
METRIC = "slipway_in_flight_requests"
TARGET = 2
MOST = 3
STREAMS = 8  # more than MOST replicas can have at TARGET
ENDLESS = 4096
BUSY: dict[str, Any] = {
    "engine": {"type": "dummy", "args": ["--tokens-per-second=20"]},
    "limits": {"maxTokens": ENDLESS},
    "autoscaling": {
        "minReplicas": 1,
        "maxReplicas": MOST,
        "metrics": [{"type": "inFlight", "target": TARGET}],
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {"stabilizationWindowSeconds": 0},
        },
    },
}


@pytest.fixture(scope="module")
def served(killable: Cluster, module_installation: Installation) -> Installation:
    module_installation.apply(model("busy", **BUSY))
    module_installation.apply(api_key())
    module_installation.wait_ready("mdep/busy")
    module_installation.wait_routable(module_installation.client(module_installation.key()), "busy")
    return module_installation


@contextmanager
def streams_held(client: openai.OpenAI) -> Iterator[None]:
    """`STREAMS` answers are on their way meanwhile, one after the other in each of as many threads.

    Who loses the connection comes back; nobody is refused.
    """
    stopping, failed = threading.Event(), list[str]()

    def hold() -> None:
        while not stopping.is_set() and not failed:
            try:
                answer = client.chat.completions.create(
                    model="busy", messages=[{"role": "user", "content": "go"}], max_tokens=ENDLESS, stream=True
                )
                with answer:
                    for _ in answer:
                        if stopping.is_set():
                            break
            except openai.APIStatusError as error:
                failed.append(repr(error))
            except (openai.APIError, httpx.TransportError):
                stopping.wait(0.2)

    threads = [threading.Thread(target=hold) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(30)
    assert failed == []


def wait_available(installation: Installation) -> None:
    installation.kubectl("wait", "--for=condition=Available", *API_SERVICES, "--timeout=60s", timeout=70)


def replicas(installation: Installation) -> tuple[int, int]:
    """Of the Deployment: wanted by its autoscaler, and ready."""
    deployment = installation.get("deployment", "busy")
    return deployment["spec"]["replicas"], deployment["status"].get("readyReplicas", 0)


def scaled_by(installation: Installation) -> str:
    return str(installation.condition("busy", "AutoscalingReady").get("reason", ""))


def test_the_metrics_api_answers(served: Installation) -> None:
    wait_available(served)
    resources = json.loads(served.kubectl("get", "--raw", API))["resources"]
    assert f"pods/{METRIC}" in [resource["name"] for resource in resources]
    values = eventually(
        "the value of the model's pod",
        lambda: json.loads(served.kubectl("get", "--raw", f"{API}/namespaces/{served.namespace}/pods/*/{METRIC}")),
        lambda seen: len(seen["items"]) == 1,
        within=30,
    )
    assert values["items"][0]["value"] == "0"


def test_replicas_follow_the_requests(killable: Cluster, served: Installation) -> None:
    eventually(
        "the autoscaler has values", lambda: scaled_by(served), lambda it: it == "AutoscalingConfigured", within=50
    )
    assert replicas(served) == (1, 1)
    with streams_held(served.client(served.key())):
        eventually("it asks for more", lambda: replicas(served)[0], lambda wanted: wanted > 1, within=110)
        # The autoscaler stays where it is while it has no values, and goes on with those of the operator's successor;
        # callers come back to the router's.
        kill_pods(killable, "operator")
        kill_pods(killable, "router")
        eventually("three replicas serve", lambda: replicas(served), lambda seen: seen == (MOST, MOST), within=110)
        current = served.get("hpa", "busy")["status"]["currentMetrics"][0]["pods"]
        assert current["metric"]["name"] == METRIC
        shown = served.kubectl("get", "hpa", "busy", "-n", served.namespace)
        assert f"/{TARGET}" in shown
        assert "unknown" not in shown
    eventually("one replica serves", lambda: replicas(served), lambda seen: seen == (1, 1), within=110)


def test_a_restart_of_the_operator_holds_up_no_namespace(killable: Cluster, served: Installation) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    served.kubectl("create", "namespace", name)
    kill_pods(killable, "operator")
    # It answers once there is nothing left of the namespace.
    served.kubectl("delete", "namespace", name, "--timeout=90s", timeout=100)
    wait_rolled_out(served.kubectl, "operator")
    wait_available(served)
