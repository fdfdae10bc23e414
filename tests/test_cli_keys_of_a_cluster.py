"""`slipway keys` on a real API server with a real operator: create, list, show, rotate and revoke an APIKey."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway_crds.keys import hash_key
from tests.cluster.apiserver import ApiServer
from tests.eventually import eventually
from tests.operator_process import OperatorProcess

pytestmark = pytest.mark.apiserver


def keys(apiserver: ApiServer, namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    slipway = str(Path(sys.executable).with_name("slipway"))
    environment = {**os.environ, "KUBECONFIG": str(apiserver.kubeconfig)}
    action, *rest = arguments
    command = [slipway, "keys", action, "--namespace", namespace, *rest]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def done(apiserver: ApiServer, namespace: str, *arguments: str) -> str:
    ended = keys(apiserver, namespace, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def accepted(apiserver: ApiServer, namespace: str) -> list[str]:
    status = apiserver.kubectl.get("sakey", "guest", "-n", namespace)["status"]
    return [item["sha256"] for item in status.get("keyHashes", [])]


def test_a_key_from_its_making_to_its_end(
    operator: OperatorProcess, apiserver: ApiServer, apiserver_namespace: str
) -> None:
    namespace = apiserver_namespace
    first = done(apiserver, namespace, "create", "guest", "--owner", "team", "--model", "chat-*", "--admin")
    assert accepted(apiserver, namespace) == [hash_key(first)]
    spec = apiserver.kubectl.get("sakey", "guest", "-n", namespace)["spec"]
    assert (spec["owner"], spec["models"], spec["admin"]) == ("team", ["chat-*"], True)
    assert done(apiserver, namespace, "list").splitlines()[1].split() == ["guest", "team", "chat-*", "Issued"]
    assert done(apiserver, namespace, "show", "guest") == first

    second = done(apiserver, namespace, "rotate", "guest", "--overlap", "1h")
    assert accepted(apiserver, namespace) == [hash_key(second), hash_key(first)]
    # One hour is the APIKey's own overlap now.
    newer = done(apiserver, namespace, "rotate", "guest")
    assert accepted(apiserver, namespace) == [hash_key(newer), hash_key(second)]
    assert apiserver.kubectl.get("sakey", "guest", "-n", namespace)["spec"]["rotation"]["overlap"] == "3600s"
    third = done(apiserver, namespace, "rotate", "guest", "--overlap", "1s")
    eventually(
        "only the newest key is accepted",
        lambda: accepted(apiserver, namespace),
        lambda seen: seen == [hash_key(third)],
        within=10,
    )

    again = keys(apiserver, namespace, "create", "guest")
    assert (again.returncode, "already" in again.stderr) == (1, True), again.stderr
    done(apiserver, namespace, "revoke", "guest")
    gone = keys(apiserver, namespace, "show", "guest")
    assert (gone.returncode, f"guest is not in namespace {namespace}" in gone.stderr) == (1, True), gone.stderr


def test_a_namespace_that_does_not_exist_is_told(custom_resources: ApiServer) -> None:
    refused = keys(custom_resources, "nowhere", "create", "guest")
    assert refused.returncode == 1
    assert 'namespaces "nowhere" not found' in refused.stderr
