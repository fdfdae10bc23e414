"""What the chart writes into the environment is what the programs read."""

import pytest

from slipway_crds.engines import EngineType
from slipway_operator.app.settings import Settings as OperatorSettings
from slipway_router.app.settings import Settings as RouterSettings
from tests.chart import Helm, environment, of_kind

pytestmark = pytest.mark.apiserver


def test_the_operator_reads_its_settings(helm: Helm) -> None:
    objects = helm.render("watchNamespaces={team-a,team-b}", "operator.workers=3", "operator.logLevel=debug")
    settings = OperatorSettings.from_env({**environment(objects, "slipway-operator"), "SLIPWAY_LEASE_NAMESPACE": "x"})
    assert tuple(settings.namespaces) == ("team-a", "team-b")
    assert settings.workers == 3
    assert settings.log_level == "debug"
    assert settings.log_format == "json"
    assert settings.lease_name == "slipway-operator"
    assert set(settings.runtime_images) == set(EngineType) - {EngineType.EXTERNAL}
    assert settings.provider_keys_secret == "slipway-provider-keys"


def test_the_router_reads_its_settings(helm: Helm) -> None:
    objects = helm.render("watchNamespaces={team-a}", "router.drainSeconds=42", "router.logLevel=warning")
    settings = RouterSettings.load(environment(objects, "slipway-router"))
    assert settings == RouterSettings(watch_namespaces=("team-a",), drain_timeout=42.0, log_level="warning")


def test_a_router_may_take_longer_to_stop_than_its_last_request(helm: Helm) -> None:
    deployment = next(
        o
        for o in helm.render("router.drainSeconds=42")
        if o["metadata"]["name"] == "slipway-router" and o["kind"] == "Deployment"
    )
    pod = deployment["spec"]["template"]["spec"]
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > before + 42


def test_routers_find_the_keys_that_the_operator_writes(helm: Helm) -> None:
    objects = helm.render(release="prod")
    written = environment(objects, "prod-operator")["SLIPWAY_PROVIDER_KEYS_SECRET"]
    assert of_kind(objects, "Secret").keys() == {written}
    pod = of_kind(objects, "Deployment")["prod-router"]["spec"]["template"]["spec"]
    mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "provider-keys")
    assert mount["mountPath"] == environment(objects, "prod-router")["SLIPWAY_PROVIDER_KEYS_DIR"]
    volume = next(item for item in pod["volumes"] if item["name"] == "provider-keys")
    assert (volume["secret"]["secretName"], volume["secret"]["optional"]) == (written, True)


def test_the_lease_lies_where_the_release_is(helm: Helm) -> None:
    (role,) = (o for o in helm.render() if o["kind"] == "Role")
    assert role["metadata"]["name"] == "slipway-operator-home"
    assert role["rules"][1]["resourceNames"] == ["slipway-operator"]
