from collections.abc import Iterator
from typing import Any

import pytest

from slipway_operator.domain.metrics_api.serving import api_service_names
from tests.chart import NAMESPACE, Helm, of_kind

pytestmark = pytest.mark.apiserver

USER_ROLES = {"slipway-edit", "slipway-view"}


def _rights(role: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def test_nothing_is_granted_by_wildcard(helm: Helm) -> None:
    objects = helm.render()
    roles = [*of_kind(objects, "ClusterRole").values(), *of_kind(objects, "Role").values()]
    assert len(roles) == 6
    assert not [right for role in roles for right in _rights(role) if "*" in right]


def test_the_router_reads_slipways_resources_and_endpoints_and_writes_demand_alone(helm: Helm) -> None:
    router = of_kind(helm.render(), "ClusterRole")["slipway-router"]
    read = {(group, resource) for group, resource, verb in _rights(router) if verb in ("get", "list", "watch")}
    written = {right for right in _rights(router) if right[2] not in ("get", "list", "watch")}
    assert read == {
        ("discovery.k8s.io", "endpointslices"),
        *(("slipway.dev", resource) for resource in ("apikeys", "modeldeployments", "modelroutes")),
    }
    assert written == {("slipway.dev", "modeldeployments/status", "patch")}


def test_loading_models_by_the_admin_api_needs_a_right_that_is_asked_for(helm: Helm) -> None:
    asked = set(_rights(of_kind(helm.render("router.adminApi.manageModels=true"), "ClusterRole")["slipway-router"]))
    usual = set(_rights(of_kind(helm.render(), "ClusterRole")["slipway-router"]))
    assert asked - usual == {("slipway.dev", "modeldeployments", "patch")}


def test_named_namespaces_get_roles_and_the_cluster_gets_none(helm: Helm) -> None:
    objects = helm.render("watchNamespaces={team-a,team-b}")
    names = {
        f"{namespace}/slipway-{program}" for namespace in ("team-a", "team-b") for program in ("operator", "router")
    }
    assert of_kind(objects, "ClusterRole").keys() == USER_ROLES
    assert not of_kind(objects, "ClusterRoleBinding")
    assert of_kind(objects, "Role").keys() == {*names, "slipway-operator-home"}
    bindings = of_kind(objects, "RoleBinding")
    assert bindings.keys() == {*names, "slipway-operator-home"}
    assert {subject["namespace"] for binding in bindings.values() for subject in binding["subjects"]} == {NAMESPACE}


def test_named_namespaces_get_the_rights_that_the_cluster_would_but_on_nodes(helm: Helm) -> None:
    everywhere = of_kind(helm.render(), "ClusterRole")
    named = of_kind(helm.render("watchNamespaces={team-a}"), "Role")
    for program in ("slipway-operator", "slipway-router"):
        rights = [set(_rights(role)) for role in (everywhere[program], named[f"team-a/{program}"])]
        assert rights[0] - rights[1] == ({("", "nodes", "list")} if program == "slipway-operator" else set())
        assert not rights[1] - rights[0]


def test_at_home_the_operator_has_its_lease_the_keys_of_providers_and_routers(helm: Helm) -> None:
    home = of_kind(helm.render("watchNamespaces={team-a}"), "Role")["slipway-operator-home"]
    assert {
        (right, *rule.get("resourceNames", ())) for rule in home["rules"] for right in _rights({"rules": [rule]})
    } == {
        (("coordination.k8s.io", "leases", "create"),),
        (("coordination.k8s.io", "leases", "get"), "slipway-operator"),
        (("coordination.k8s.io", "leases", "update"), "slipway-operator"),
        *((("", "secrets", verb), "slipway-provider-keys") for verb in ("create", "get", "patch")),
        *((("", "pods", verb),) for verb in ("list", "patch")),
    }


def test_the_metrics_api_may_be_registered_under_its_own_names_only(helm: Helm) -> None:
    objects = helm.render()
    role = of_kind(objects, "ClusterRole")["slipway-metrics-api"]
    unnamed = [right for rule in role["rules"] if "resourceNames" not in rule for right in _rights({"rules": [rule]})]
    assert unnamed == [("apiregistration.k8s.io", "apiservices", "list")]
    named = {name for rule in role["rules"] for name in rule.get("resourceNames", ())}
    assert named == {*api_service_names(), "slipway-metrics-api"}
    bindings = of_kind(objects, "ClusterRoleBinding")
    assert {name: binding["roleRef"]["name"] for name, binding in bindings.items() if "metrics" in name} == {
        "slipway-metrics-api": "slipway-metrics-api",
        "slipway-metrics-api-auth": "system:auth-delegator",
    }
    reader = of_kind(objects, "RoleBinding")["kube-system/slipway-metrics-api-proxy"]
    assert reader["roleRef"]["name"] == "extension-apiserver-authentication-reader"
    secrets = of_kind(objects, "Role")["slipway-operator-home"]["rules"][2]
    assert secrets["resourceNames"] == ["slipway-provider-keys", "slipway-metrics-api"]


@pytest.mark.parametrize("value", ["metrics.mode=none", "operator.replicas=0", "watchNamespaces={team-a}"])
def test_without_a_metrics_api_nothing_of_it_is_there(helm: Helm, value: str) -> None:
    names = [item["metadata"]["name"] for item in helm.render(value)]
    assert not [name for name in names if "metrics" in name]
    home = of_kind(helm.render(value), "Role")["slipway-operator-home"]
    assert home["rules"][2]["resourceNames"] == ["slipway-provider-keys"]


def test_scaled_objects_are_written_with_keda_and_only_removed_without(helm: Helm) -> None:
    def verbs(*values: str) -> set[str]:
        rights = _rights(of_kind(helm.render(*values), "ClusterRole")["slipway-operator"])
        return {verb for group, resource, verb in rights if (group, resource) == ("keda.sh", "scaledobjects")}

    assert verbs("metrics.mode=keda", "metrics.prometheus.url=http://prometheus:9090") == {
        *("create", "delete", "get", "list", "patch", "watch")
    }
    assert verbs() == verbs("metrics.mode=none") == {"delete", "list"}


def test_who_may_edit_models_may_not_make_keys(helm: Helm) -> None:
    edit = of_kind(helm.render(), "ClusterRole")["slipway-edit"]
    assert not [right for right in _rights(edit) if right[1].startswith("apikeys")]
    assert not USER_ROLES & of_kind(helm.render("rbac.aggregateRoles=false"), "ClusterRole").keys()
