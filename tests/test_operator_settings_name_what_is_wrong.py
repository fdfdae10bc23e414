"""A wrong variable of the operator's environment is named, with what to write instead."""

import pytest

from slipway_crds.engines import EngineType
from slipway_operator.app.settings import MetricsOptions, Settings, SettingsError
from slipway_operator.domain.images import EngineImage


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SLIPWAY_RUNTIME_IMAGES", "llamacpp=x", "not JSON"),
        ("SLIPWAY_RUNTIME_IMAGES", '["x"]', "must map engines to images"),
        ("SLIPWAY_RUNTIME_IMAGES", '{"llamacpp": ""}', "must map engines to images"),
        ("SLIPWAY_RUNTIME_IMAGES", '{"vllm": {}}', "must map engines to images"),
        ("SLIPWAY_RUNTIME_IMAGES", '{"vllm": {"tpu": "x"}}', "must map engines to images"),
        ("SLIPWAY_RUNTIME_IMAGES", '{"vllm": {"gpu": ""}}', "must map engines to images"),
        ("SLIPWAY_RUNTIME_IMAGES", '{"lama": "x"}', "no engine 'lama'"),
        ("SLIPWAY_RUNTIME_OTLP_ENDPOINT", "collector:4318", "a URL like http://collector"),
        ("SLIPWAY_WORKERS", "0", "a number from 1 to 64"),
        ("SLIPWAY_WORKERS", "many", "a number from 1 to 64"),
        ("SLIPWAY_HEALTH_PORT", "70000", "a number from 0 to 65535"),
        ("SLIPWAY_METRICS_MODE", "prometheus", "one of none, builtin, prometheus-adapter, keda"),
        ("SLIPWAY_LEASE_DURATION", "soon", "not a duration"),
        ("SLIPWAY_LEASE_DURATION", "500ms", "at least 1s"),
        ("SLIPWAY_LOG_LEVEL", "loud", "one of info, debug"),
        ("SLIPWAY_LOG_FORMAT", "xml", "one of text, json"),
    ],
)
def test_a_wrong_variable(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        Settings.from_env({name: value})
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["SLIPWAY_METRICS_PORT", "SLIPWAY_METRICS_SERVICE_PORT"])
def test_a_wrong_port_of_the_metrics_api(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is 'https'"):
        Settings.from_env({"SLIPWAY_METRICS_MODE": "builtin", name: "https"})


@pytest.mark.parametrize("url", ["", "prometheus:9090", "http://", "http://a b"])
def test_keda_needs_a_prometheus(url: str) -> None:
    with pytest.raises(SettingsError, match=r"SLIPWAY_PROMETHEUS_URL is .*; KEDA needs one like http://"):
        Settings.from_env({"SLIPWAY_METRICS_MODE": "keda", "SLIPWAY_PROMETHEUS_URL": url})


def test_everything_has_a_default() -> None:
    settings = Settings.from_env({})
    assert settings.metrics is None
    assert (settings.runtime_images, settings.namespaces, settings.health_port) == ({}, (), 9090)
    assert settings.router_selector == "app.kubernetes.io/name=slipway-router"
    assert settings.lease_timing.renew_deadline < settings.lease_timing.duration


def test_what_is_set_is_read() -> None:
    settings = Settings.from_env(
        {
            "SLIPWAY_RUNTIME_IMAGES": '{"onnx": "example/onnx:1", "vllm": {"gpu": "example/vllm:1"}}',
            "SLIPWAY_WATCH_NAMESPACES": "a, b,",
            "SLIPWAY_IDENTITY": "pod-1",
            "SLIPWAY_METRICS_MODE": "builtin",
            "SLIPWAY_METRICS_OWNER": "slipway-metrics-api",
        }
    )
    assert settings.runtime_images == {
        EngineType.ONNX: EngineImage(cpu="example/onnx:1"),
        EngineType.VLLM: EngineImage(gpu="example/vllm:1"),
    }
    assert (settings.namespaces, settings.identity) == (("a", "b"), "pod-1")
    assert settings.metrics == MetricsOptions(
        "0.0.0.0",
        10250,
        "slipway-metrics-api",
        443,
        "slipway-metrics-api",
        "slipway-metrics-api",
        9090,
    )
