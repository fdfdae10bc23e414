"""What the chart writes into the environment is what the programs read."""

from pathlib import Path

import pytest

from slipway_crds.engines import EngineType
from slipway_operator.app.settings import Settings as OperatorSettings
from slipway_router.app.options import (
    AdminOptions,
    CorsOptions,
    LedgerOptions,
    LimitsOptions,
    SessionOptions,
    StoreOptions,
    TlsOptions,
)
from slipway_router.app.settings import Settings as RouterSettings
from tests.chart import Helm, container, environment, of_kind
from tests.cluster.errors import CommandError

pytestmark = pytest.mark.apiserver

LEDGER = LedgerOptions(folder="/var/lib/slipway/usage")
SESSIONS = SessionOptions(file="/var/lib/slipway/sessions.sqlite")


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
    assert settings.metrics is None


def test_the_operator_serves_the_metrics_api_where_its_service_leads(helm: Helm) -> None:
    objects = helm.render("metrics.port=12345", "networkPolicy.enabled=true", release="prod")
    options = OperatorSettings.from_env(environment(objects, "prod-operator")).metrics
    assert options is not None
    (port,) = of_kind(objects, "Service")[options.service]["spec"]["ports"]
    ports = {item["name"]: item["containerPort"] for item in container(objects, "prod-operator")["ports"]}
    assert (port["port"], ports[port["targetPort"]]) == (options.service_port, options.port) == (443, 12345)
    (ingress,) = of_kind(objects, "NetworkPolicy")["prod-operator"]["spec"]["ingress"]
    assert {item["port"] for item in ingress["ports"]} == set(ports)
    assert options.secret in of_kind(objects, "Secret")
    assert options.owner in of_kind(objects, "ClusterRole")


@pytest.mark.parametrize("more", [(), ("watchNamespaces={team-a}",)], ids=["everywhere", "one namespace"])
@pytest.mark.parametrize(
    ("mode", "url"), [("keda", "http://prometheus.monitoring.svc:9090"), ("prometheus-adapter", None), ("none", None)]
)
def test_the_operator_reads_by_whom_models_are_scaled(
    helm: Helm, more: tuple[str, ...], mode: str, url: str | None
) -> None:
    objects = helm.render(f"metrics.mode={mode}", *([f"metrics.prometheus.url={url}"] if url else []), *more)
    settings = OperatorSettings.from_env(environment(objects, "slipway-operator"))
    assert (settings.metrics_mode, settings.prometheus_url, settings.metrics) == (mode, url, None)
    assert not [name for name in of_kind(objects, "Service") if "metrics-api" in name]


def test_the_adapters_rules_go_to_its_namespace(helm: Helm) -> None:
    objects = helm.render("metrics.mode=prometheus-adapter", "metrics.prometheusAdapter.namespace=monitoring")
    assert "monitoring/slipway-prometheus-adapter-rules" in of_kind(objects, "ConfigMap")


@pytest.mark.parametrize(("replicas", "away"), [(1, 0), (2, 1)])
def test_an_upgrade_leaves_an_operator_to_answer_for_the_metrics_api(helm: Helm, replicas: int, away: int) -> None:
    deployment = of_kind(helm.render(f"operator.replicas={replicas}"), "Deployment")["slipway-operator"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": away}


def test_the_router_reads_its_settings(helm: Helm) -> None:
    objects = helm.render("watchNamespaces={team-a}", "router.drainSeconds=42", "router.logLevel=warning")
    settings = RouterSettings.load(environment(objects, "slipway-router"))
    assert settings == RouterSettings(
        watch_namespaces=("team-a",),
        shutdown_delay=5.0,
        drain_timeout=42.0,
        log_level="warning",
        ledger=LEDGER,
        sessions=SESSIONS,
    )
    mounts = {item["name"]: item["mountPath"] for item in container(objects, "slipway-router")["volumeMounts"]}
    assert Path(LEDGER.folder).parent == Path(SESSIONS.file).parent == Path(mounts["state"])


def test_the_router_reads_its_configuration_file(helm: Helm, tmp_path: Path) -> None:
    objects = helm.render(
        "router.config.limits.fail_mode=open",
        "router.config.cors.origins={https://chat.example.com}",
        "router.config.sessions.max_messages=30",
        "router.config.store.timeout=1500ms",
        "router.tls.secretName=cert",
        "router.adminApi.manageModels=true",
    )
    variables = environment(objects, "slipway-router")
    file = tmp_path / "config.toml"
    file.write_text(of_kind(objects, "ConfigMap")["slipway-router"]["data"][Path(variables["SLIPWAY_CONFIG"]).name])
    settings = RouterSettings.load(variables, file)
    assert settings == RouterSettings(
        shutdown_delay=5.0,
        limits=LimitsOptions(fail_mode="open"),
        cors=CorsOptions(origins=("https://chat.example.com",)),
        store=StoreOptions(timeout=1.5),
        sessions=SESSIONS.model_copy(update={"max_messages": 30}),
        ledger=LEDGER,
        tls=TlsOptions(cert_file="/etc/slipway/tls/tls.crt", key_file="/etc/slipway/tls/tls.key"),
        admin=AdminOptions(manage_models=True),
    )
    mounts = {item["name"]: item["mountPath"] for item in container(objects, "slipway-router")["volumeMounts"]}
    assert mounts["config"] == str(Path(variables["SLIPWAY_CONFIG"]).parent)
    assert mounts["tls"] == str(Path(settings.tls.cert_file).parent)


def test_the_stores_address_comes_from_a_secret(helm: Helm) -> None:
    objects = helm.render("router.store.urlSecret.name=valkey", "router.replicas=3")
    variables = {item["name"]: item for item in container(objects, "slipway-router")["env"]}
    assert variables["SLIPWAY_STORE_URL"]["valueFrom"] == {"secretKeyRef": {"name": "valkey", "key": "url"}}


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("router.caCertificates.configMapName=roots", {"configMap": {"name": "roots"}}),
        ("router.caCertificates.secretName=roots", {"secret": {"secretName": "roots", "defaultMode": 0o440}}),
    ],
)
def test_certificates_of_private_authorities_are_mounted(helm: Helm, value: str, source: dict[str, object]) -> None:
    objects = helm.render(value)
    volumes = of_kind(objects, "Deployment")["slipway-router"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "ca", **source} in volumes
    mounts = {item["name"]: item["mountPath"] for item in container(objects, "slipway-router")["volumeMounts"]}
    assert mounts["ca"] == "/etc/slipway/ca"
    with pytest.raises(CommandError, match=r"router\.caCertificates takes configMapName or secretName"):
        helm.render("router.caCertificates.configMapName=a", "router.caCertificates.secretName=b")


def test_the_operator_reads_where_models_send_their_traces(helm: Helm) -> None:
    endpoint = "http://collector.monitoring.svc:4318"
    variables = environment(helm.render(f"runtime.otlpEndpoint={endpoint}"), "slipway-operator")
    assert OperatorSettings.from_env(variables).otlp_endpoint == endpoint
    assert OperatorSettings.from_env(environment(helm.render(), "slipway-operator")).otlp_endpoint == ""


def test_a_volume_is_one_routers_at_a_time(helm: Helm) -> None:
    objects = helm.render("router.persistence.enabled=true", "router.persistence.size=5Gi")
    deployment = of_kind(objects, "Deployment")["slipway-router"]["spec"]
    volumes = {item["name"]: item for item in deployment["template"]["spec"]["volumes"]}
    claim = of_kind(objects, "PersistentVolumeClaim")[volumes["state"]["persistentVolumeClaim"]["claimName"]]
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert deployment["strategy"] == {"type": "Recreate"}
    with pytest.raises(CommandError, match=r"router\.persistence is for one replica"):
        helm.render("router.persistence.enabled=true", "router.replicas=2")


def test_a_router_may_take_longer_to_stop_than_its_last_request(helm: Helm) -> None:
    objects = helm.render("router.drainSeconds=42", "router.shutdownDelaySeconds=7")
    pod = of_kind(objects, "Deployment")["slipway-router"]["spec"]["template"]["spec"]
    assert environment(objects, "slipway-router")["SLIPWAY_SHUTDOWN_DELAY"] == "7s"
    assert pod["terminationGracePeriodSeconds"] > 7 + 42


def test_routers_find_the_keys_that_the_operator_writes(helm: Helm) -> None:
    objects = helm.render(release="prod")
    written = environment(objects, "prod-operator")["SLIPWAY_PROVIDER_KEYS_SECRET"]
    assert written in of_kind(objects, "Secret")
    pod = of_kind(objects, "Deployment")["prod-router"]["spec"]["template"]["spec"]
    mount = next(item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "provider-keys")
    assert mount["mountPath"] == environment(objects, "prod-router")["SLIPWAY_PROVIDER_KEYS_DIR"]
    volume = next(item for item in pod["volumes"] if item["name"] == "provider-keys")
    assert (volume["secret"]["secretName"], volume["secret"]["optional"]) == (written, True)


def test_the_lease_lies_where_the_release_is(helm: Helm) -> None:
    (role,) = (o for o in helm.render() if o["kind"] == "Role")
    assert role["metadata"]["name"] == "slipway-operator-home"
    assert role["rules"][1]["resourceNames"] == ["slipway-operator"]
