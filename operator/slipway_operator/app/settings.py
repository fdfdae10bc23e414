"""The operator's configuration, from its environment."""

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from slipway_crds.duration import parse_duration
from slipway_crds.engines import EngineType
from slipway_operator.domain.election import LeaseTiming
from slipway_operator.domain.images import EngineImage

_PREFIX: Final = "SLIPWAY_"
_MOST_WORKERS: Final = 64
_URL: Final = re.compile(r"https?://[^/\s]+\S*")
_METRICS_MODES: Final = ("none", "builtin", "prometheus-adapter", "keda")


class SettingsError(ValueError):
    """A variable of the operator's environment is wrong; the message names it and says what to write."""


@dataclass(frozen=True)
class MetricsOptions:
    """The metrics API, and what it is reached by."""

    host: str
    """``SLIPWAY_METRICS_HOST``. Default: 0.0.0.0."""
    port: int
    """``SLIPWAY_METRICS_PORT``. Default: 10250, which firewalls of managed clusters let API servers reach."""
    service: str
    """``SLIPWAY_METRICS_SERVICE``: the Service, beside the Lease, by which the API server reaches it.
    Default: slipway-metrics-api."""
    service_port: int
    """``SLIPWAY_METRICS_SERVICE_PORT``: the Service's. Default: 443."""
    secret: str
    """``SLIPWAY_METRICS_SECRET``: the Secret, beside the Lease, with its certificate. Default: slipway-metrics-api."""
    owner: str | None
    """``SLIPWAY_METRICS_OWNER``: the ClusterRole with which its registration goes. Default: none, it stays."""
    router_port: int
    """``SLIPWAY_ROUTER_PORT``: the admin port of routers. Default: 9090."""


@dataclass(frozen=True)
class Settings:
    """Everything the operator can be told."""

    runtime_images: Mapping[EngineType, EngineImage]
    """``SLIPWAY_RUNTIME_IMAGES``: a JSON object, engine to image, or to ``{"cpu": image, "gpu": image}``."""
    otlp_endpoint: str
    """``SLIPWAY_RUNTIME_OTLP_ENDPOINT``: base URL of an OpenTelemetry collector (OTLP over HTTP) for the traces of
    models. Default: none."""
    namespaces: tuple[str, ...]
    """``SLIPWAY_WATCH_NAMESPACES``: comma-separated; none means all."""
    workers: int
    """``SLIPWAY_WORKERS``: passes that may run at once. Default: 12."""
    health_host: str
    """``SLIPWAY_HEALTH_HOST``. Default: 0.0.0.0."""
    health_port: int
    """``SLIPWAY_HEALTH_PORT``. Default: 9090."""
    lease_namespace: str
    """``SLIPWAY_LEASE_NAMESPACE``. Default: slipway-system."""
    lease_name: str
    """``SLIPWAY_LEASE_NAME``. Default: slipway-operator."""
    lease_timing: LeaseTiming
    """``SLIPWAY_LEASE_DURATION``: how long the others wait before they take over from a silent leader. Default: 15s."""
    provider_keys_secret: str
    """``SLIPWAY_PROVIDER_KEYS_SECRET``: the Secret, beside the Lease, with the keys of external models for routers.
    Default: slipway-provider-keys."""
    router_selector: str
    """``SLIPWAY_ROUTER_SELECTOR``: labels of the routers' pods, beside the Lease.
    Default: app.kubernetes.io/name=slipway-router."""
    metrics_mode: str
    """``SLIPWAY_METRICS_MODE``: with ``builtin``, it serves custom.metrics.k8s.io; with ``prometheus-adapter``, that
    does; with ``keda``, KEDA scales models; with ``none``, only CPU and memory do. Default: none."""
    metrics: MetricsOptions | None
    """With ``builtin`` only."""
    prometheus_url: str | None
    """``SLIPWAY_PROMETHEUS_URL``, with ``keda`` only: where KEDA asks for the pods' metrics."""
    identity: str
    """``SLIPWAY_IDENTITY``, else the host's name with the process id: distinguishes replicas."""
    log_level: str
    """``SLIPWAY_LOG_LEVEL``: debug, info, warning or error. Default: info."""
    log_format: str
    """``SLIPWAY_LOG_FORMAT``: json or text. Default: text."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings in ``environ``.

        Raises:
            SettingsError: a variable is wrong.
        """
        return cls(
            runtime_images=_images(environ.get(f"{_PREFIX}RUNTIME_IMAGES", "{}")),
            otlp_endpoint=_otlp_endpoint(environ),
            namespaces=_names(environ.get(f"{_PREFIX}WATCH_NAMESPACES", "")),
            workers=_integer(environ, "WORKERS", default=12, least=1, most=_MOST_WORKERS),
            health_host=environ.get(f"{_PREFIX}HEALTH_HOST", "0.0.0.0"),
            health_port=_integer(environ, "HEALTH_PORT", default=9090, least=0, most=65535),
            lease_namespace=environ.get(f"{_PREFIX}LEASE_NAMESPACE", "slipway-system"),
            lease_name=environ.get(f"{_PREFIX}LEASE_NAME", "slipway-operator"),
            lease_timing=_lease_timing(environ.get(f"{_PREFIX}LEASE_DURATION", "15s")),
            provider_keys_secret=environ.get(f"{_PREFIX}PROVIDER_KEYS_SECRET", "slipway-provider-keys"),
            router_selector=environ.get(f"{_PREFIX}ROUTER_SELECTOR", "app.kubernetes.io/name=slipway-router"),
            metrics_mode=_one_of(environ, "METRICS_MODE", _METRICS_MODES),
            metrics=_metrics(environ),
            prometheus_url=_prometheus_url(environ),
            identity=environ.get(f"{_PREFIX}IDENTITY") or f"{socket.gethostname()}-{os.getpid()}",
            log_level=_one_of(environ, "LOG_LEVEL", ("info", "debug", "warning", "error")),
            log_format=_one_of(environ, "LOG_FORMAT", ("text", "json")),
        )


def _metrics(environ: Mapping[str, str]) -> MetricsOptions | None:
    if _one_of(environ, "METRICS_MODE", _METRICS_MODES) != "builtin":
        return None
    return MetricsOptions(
        host=environ.get(f"{_PREFIX}METRICS_HOST", "0.0.0.0"),
        port=_integer(environ, "METRICS_PORT", default=10250, least=0, most=65535),
        service=environ.get(f"{_PREFIX}METRICS_SERVICE", "slipway-metrics-api"),
        service_port=_integer(environ, "METRICS_SERVICE_PORT", default=443, least=1, most=65535),
        secret=environ.get(f"{_PREFIX}METRICS_SECRET", "slipway-metrics-api"),
        owner=environ.get(f"{_PREFIX}METRICS_OWNER") or None,
        router_port=_integer(environ, "ROUTER_PORT", default=9090, least=1, most=65535),
    )


def _otlp_endpoint(environ: Mapping[str, str]) -> str:
    url = environ.get(f"{_PREFIX}RUNTIME_OTLP_ENDPOINT", "")
    if url and not _URL.fullmatch(url):
        example = "http://collector.monitoring.svc:4318"
        raise SettingsError(f"{_PREFIX}RUNTIME_OTLP_ENDPOINT is {url!r}; write a URL like {example}, or leave it out")
    return url


def _prometheus_url(environ: Mapping[str, str]) -> str | None:
    if _one_of(environ, "METRICS_MODE", _METRICS_MODES) != "keda":
        return None
    url = environ.get(f"{_PREFIX}PROMETHEUS_URL", "")
    if not _URL.fullmatch(url):
        example = "http://prometheus.monitoring.svc:9090"
        raise SettingsError(f"{_PREFIX}PROMETHEUS_URL is {url!r}; KEDA needs one like {example}")
    return url


def _images(text: str) -> Mapping[EngineType, EngineImage]:
    example = '{"onnx": "registry/onnx:1.0", "vllm": {"cpu": "registry/vllm-cpu:1.0", "gpu": "registry/vllm:1.0"}}'
    try:
        images = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{_PREFIX}RUNTIME_IMAGES is not JSON ({error}); write for example {example}") from None
    if not isinstance(images, dict) or not all(_is_image(image) for image in images.values()):
        raise SettingsError(f"{_PREFIX}RUNTIME_IMAGES must map engines to images; write for example {example}")
    unknown = sorted(set(images) - set(EngineType))
    if unknown:
        raise SettingsError(f"{_PREFIX}RUNTIME_IMAGES: no engine {unknown[0]!r}; engines: {', '.join(EngineType)}")
    return {
        EngineType(engine): EngineImage(cpu=image) if isinstance(image, str) else EngineImage(**image)
        for engine, image in images.items()
    }


def _is_image(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and value.keys() <= {"cpu", "gpu"} and all(_is_name(name) for name in value.values())
    return _is_name(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _integer(environ: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = environ.get(f"{_PREFIX}{name}", str(default))
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SettingsError(f"{_PREFIX}{name} is {text!r}; write a number from {least} to {most}")
    return int(text)


def _one_of(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = environ.get(f"{_PREFIX}{name}", choices[0]).lower()
    if text not in choices:
        raise SettingsError(f"{_PREFIX}{name} is {text!r}; write one of {', '.join(choices)}")
    return text


def _lease_timing(text: str) -> LeaseTiming:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise SettingsError(f"{_PREFIX}LEASE_DURATION: {error}") from None
    if duration < 1:
        raise SettingsError(f"{_PREFIX}LEASE_DURATION is {text!r}; a Lease lasts at least 1s")
    # The proportions of client-go's defaults: 15 s, 10 s, 2 s.
    return LeaseTiming(duration, duration * 2 / 3, duration * 2 / 15)
