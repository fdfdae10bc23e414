"""The one container of a model's pod: Slipway's runtime, or a server that stands for it."""

import math
from typing import Any, Final

from slipway_crds.duration import parse_duration
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import CONTROL_PORT, CONTROL_PORT_NAME, DATA_PORT, DATA_PORT_NAME
from slipway_crds.runtime_env import RuntimeAdapter, RuntimeEnv
from slipway_operator.domain.builders.tei import is_tei, tei_environment
from slipway_operator.domain.builders.volumes import volume_mounts
from slipway_operator.domain.images import gpu_count
from slipway_operator.domain.pods import CONTAINER

PRE_STOP_SECONDS: Final = 5
"""Between the pod's removal from the endpoints and SIGTERM, for routers to hear of it."""
_OTLP_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_STARTUP_PERIOD_SECONDS: Final = 1
_STARTUP_MARGIN_SECONDS: Final = 30
"""The runtime ends itself at its start-up timeout and says why; the kubelet only steps in if it does not."""


def model_container(model: ModelDeployment, image: str, otlp_endpoint: str = "") -> dict[str, Any]:
    """What serves the model, with its environment, ports, probes, resources and mounts."""
    overlay = model.spec.template
    # Slipway's runtimes get their arguments by the environment, with everything else.
    arguments = {"args": list(model.spec.engine.args)} if is_tei(model) and model.spec.engine.args else {}
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        **arguments,
        "env": _environment(model, otlp_endpoint),
        "ports": [
            {"name": DATA_PORT_NAME, "containerPort": DATA_PORT, "protocol": "TCP"},
            {"name": CONTROL_PORT_NAME, "containerPort": CONTROL_PORT, "protocol": "TCP"},
        ],
        "resources": _resources(model),
        **_probes(model),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {**_SECURITY, **((overlay and overlay.container_security_context) or {})},
        "volumeMounts": volume_mounts(model),
    }


_SECURITY: Final[dict[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _environment(model: ModelDeployment, otlp_endpoint: str) -> list[dict[str, Any]]:
    values = tei_environment(model) if is_tei(model) else _runtime_environment(model)
    if otlp_endpoint and not is_tei(model):  # TEI speaks OTLP over gRPC only.
        values[_OTLP_ENDPOINT] = otlp_endpoint
    # The root file system is read-only, so libraries that write below HOME need one that is not.
    own = [{"name": name, "value": value} for name, value in {"HOME": "/tmp", **values}.items()]
    user = [var.to_dict() for var in model.spec.engine.env or ()]
    overridden = {var["name"] for var in user}
    return [*(var for var in own if var["name"] not in overridden), *user]


def _runtime_environment(model: ModelDeployment) -> dict[str, str]:
    spec = model.spec
    adapters = tuple(RuntimeAdapter(name=adapter.name, source=adapter.source) for adapter in spec.adapters or ())
    return RuntimeEnv(
        model_name=model.metadata.name,
        model_source=spec.model.source,
        engine=spec.engine.type,
        served_names=spec.model.served_names or (),
        tasks=spec.tasks or (),
        adapters=adapters,
        engine_args=spec.engine.args or (),
        gpu_count=gpu_count(model),
        max_concurrency=spec.routing.max_concurrency if spec.routing else None,
        startup_timeout=spec.lifecycle.startup_timeout,
        drain_timeout=spec.lifecycle.drain_timeout,
    ).to_env()


def _resources(model: ModelDeployment) -> dict[str, Any]:
    resources = model.spec.resources
    if resources is None:
        return {}
    # Extended resources cannot be overcommitted: the limit is the request.
    gpu = {resources.gpu.resource: resources.gpu.count} if resources.gpu and resources.gpu.count else {}
    sections = {"requests": {**(resources.requests or {}), **gpu}, "limits": {**(resources.limits or {}), **gpu}}
    return {name: {key: str(value) for key, value in amounts.items()} for name, amounts in sections.items() if amounts}


def _probes(model: ModelDeployment) -> dict[str, Any]:
    startup = math.ceil(parse_duration(model.spec.lifecycle.startup_timeout)) + _STARTUP_MARGIN_SECONDS
    attempts = math.ceil(startup / _STARTUP_PERIOD_SECONDS)
    if is_tei(model):
        # TEI listens only after a warm-up inference. Its health waits behind the batches at work, which may take long:
        # who is busy is neither taken out of the endpoints for it nor, before minutes have passed, restarted.
        return {
            "startupProbe": {
                **_probe("/health", DATA_PORT_NAME, _STARTUP_PERIOD_SECONDS),
                "failureThreshold": attempts,
            },
            "livenessProbe": {**_probe("/health", DATA_PORT_NAME, 60, timeout=60), "failureThreshold": 3},
            "readinessProbe": {**_probe("/info", DATA_PORT_NAME, 2), "failureThreshold": 2},
        }
    return {
        # Ready means that a warm-up inference ran, and it cannot go back to loading: the start-up probe asks for the
        # same, so that a model serves within a second of being able to.
        "startupProbe": {**_probe("/readyz", CONTROL_PORT_NAME, _STARTUP_PERIOD_SECONDS), "failureThreshold": attempts},
        "livenessProbe": {**_probe("/livez", CONTROL_PORT_NAME, 10), "failureThreshold": 3},
        "readinessProbe": {**_probe("/readyz", CONTROL_PORT_NAME, 2), "failureThreshold": 2},
    }


def _probe(path: str, port: str, period: int, timeout: int = 3) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": period, "timeoutSeconds": timeout}
