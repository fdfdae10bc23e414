"""An operator for named namespaces needs rights in these alone, and acts in no other."""

import json
from pathlib import Path

import pytest

from tests.chart import Helm
from tests.cluster.apiserver import ApiServer
from tests.cluster.namespaces import temporary_namespace
from tests.eventually import eventually
from tests.installation import api_key, model
from tests.operator_process import grant_operator_rights

pytestmark = pytest.mark.apiserver


def test_it_acts_in_its_namespace_only(
    custom_resources: ApiServer, helm: Helm, apiserver_namespace: str, tmp_path: Path
) -> None:
    kubectl = custom_resources.kubectl
    rights = grant_operator_rights(custom_resources, helm, "narrow", f"watchNamespaces={{{apiserver_namespace}}}")
    settings = {
        "SLIPWAY_WATCH_NAMESPACES": apiserver_namespace,
        "SLIPWAY_LEASE_NAME": "narrow-operator",
        "SLIPWAY_LOG_FORMAT": "json",
    }
    with temporary_namespace(kubectl) as elsewhere, rights.running(tmp_path, "narrow", **settings) as operator:
        for namespace in (elsewhere, apiserver_namespace):
            kubectl("apply", "-n", namespace, "-f", "-", stdin=f"{model('m')}---\n{api_key('k')}")

        def statuses(namespace: str) -> list[bool]:
            items = kubectl.get("mdep,sakey", "-n", namespace)["items"]
            return [bool(item.get("status")) for item in items]

        eventually("both have a status", lambda: statuses(apiserver_namespace), lambda seen: all(seen), within=30)
        assert statuses(elsewhere) == [False, False]
        assert [name for name in operator.metrics() if 'result="403"' in name] == [], operator.log.read_text()
        kubectl("delete", "mdep,sakey", "--all", "-n", elsewhere)
        lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
        assert "slipway_operator.adapters.lease" in {line["logger"] for line in lines}
