"""On a real API server, with the chart's rights: an APIKey gets its Secret and its hash, again after either is lost."""

import base64
from typing import Any

import pytest

from slipway_crds.keys import hash_key
from tests.cluster.apiserver import ApiServer
from tests.cluster.kubectl import Kubectl
from tests.eventually import eventually
from tests.installation import api_key
from tests.operator_process import OperatorProcess

pytestmark = pytest.mark.apiserver


@pytest.fixture
def kubectl(operator: OperatorProcess, apiserver: ApiServer) -> Kubectl:
    return apiserver.kubectl


def published(kubectl: Kubectl, namespace: str) -> list[str]:
    status: dict[str, Any] = kubectl.get("sakey", "k", "-n", namespace).get("status", {})
    return [item["sha256"] for item in status.get("keyHashes", [])]


def stored(kubectl: Kubectl, namespace: str) -> list[str]:
    """The hash of the key in the Secret."""
    data = kubectl.get("secret", "k-apikey", "-n", namespace)["data"]
    return [hash_key(base64.b64decode(data["key"]).decode())]


def test_the_hash_follows_the_secret(kubectl: Kubectl, apiserver_namespace: str) -> None:
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=api_key("k"))
    first = eventually("a hash", lambda: published(kubectl, apiserver_namespace), bool, within=5)
    assert first == stored(kubectl, apiserver_namespace)
    kubectl("delete", "secret/k-apikey", "-n", apiserver_namespace)
    second = eventually(
        "another hash", lambda: published(kubectl, apiserver_namespace), lambda h: h not in ([], first), within=2
    )
    assert second == stored(kubectl, apiserver_namespace)


def test_a_suspended_key_is_taken_back_and_given_again(kubectl: Kubectl, apiserver_namespace: str) -> None:
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=api_key("k"))
    issued = eventually("a hash", lambda: published(kubectl, apiserver_namespace), bool, within=5)
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=api_key("k", suspend=True))
    eventually("no hash", lambda: published(kubectl, apiserver_namespace), lambda seen: seen == [], within=2)
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=api_key("k", suspend=False))
    eventually("the hash again", lambda: published(kubectl, apiserver_namespace), lambda h: h == issued, within=2)


def test_a_route_says_that_nobody_follows_it(kubectl: Kubectl, apiserver_namespace: str) -> None:
    route = """
apiVersion: slipway.dev/v1alpha1
kind: ModelRoute
metadata: {name: r}
spec: {rules: [{backends: [{model: a}]}]}
"""
    kubectl("apply", "-n", apiserver_namespace, "-f", "-", stdin=route)
    seen = eventually(
        "a condition", lambda: kubectl.get("mroute", "r", "-n", apiserver_namespace)["status"], bool, within=5
    )
    assert [(c["type"], c["status"], c["reason"]) for c in seen["conditions"]] == [
        ("Accepted", "False", "NotImplemented")
    ]
