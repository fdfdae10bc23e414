"""The one container of a model's pod: the runtime."""

import math
from typing import Any, Final

from slipway_crds.duration import parse_duration
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import CONTROL_PORT, CONTROL_PORT_NAME, DATA_PORT, DATA_PORT_NAME
from slipway_crds.runtime_env import RuntimeEnv
from slipway_operator.domain.builders.volumes import volume_mounts
from slipway_operator.domain.pods import CONTAINER

PRE_STOP_SECONDS: Final = 5
"""Between the pod's removal from the endpoints and SIGTERM, for routers to hear of it."""
_STARTUP_PERIOD_SECONDS: Final = 1
_STARTUP_MARGIN_SECONDS: Final = 30
"""The runtime ends itself at its start-up timeout and says why; the kubelet only steps in if it does not."""


def runtime_container(model: ModelDeployment, image: str) -> dict[str, Any]:
    """The runtime with the engine's environment, ports, probes, resources and mounts."""
    overlay = model.spec.template
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(model),
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


def _environment(model: ModelDeployment) -> list[dict[str, Any]]:
    spec = model.spec
    gpu = spec.resources.gpu if spec.resources else None
    runtime = RuntimeEnv(
        model_name=model.metadata.name,
        model_source=spec.model.source,
        engine=spec.engine.type,
        served_names=spec.model.served_names or (),
        tasks=spec.tasks or (),
        engine_args=spec.engine.args or (),
        gpu_count=gpu.count if gpu else 0,
        max_concurrency=spec.routing.max_concurrency if spec.routing else None,
        startup_timeout=spec.lifecycle.startup_timeout,
        drain_timeout=spec.lifecycle.drain_timeout,
    )
    # The root file system is read-only, so libraries that write below HOME need one that is not.
    values = {"HOME": "/tmp", **runtime.to_env()}
    own = [{"name": name, "value": value} for name, value in values.items()]
    user = [var.to_dict() for var in spec.engine.env or ()]
    overridden = {var["name"] for var in user}
    return [*(var for var in own if var["name"] not in overridden), *user]


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
    return {
        # Ready means that a warm-up inference ran, and it cannot go back to loading: the start-up probe asks for the
        # same, so that a model serves within a second of being able to.
        "startupProbe": {
            **_probe("/readyz", period=_STARTUP_PERIOD_SECONDS),
            "failureThreshold": math.ceil(startup / _STARTUP_PERIOD_SECONDS),
        },
        "livenessProbe": {**_probe("/livez", period=10), "failureThreshold": 3},
        "readinessProbe": {**_probe("/readyz", period=2), "failureThreshold": 2},
    }


def _probe(path: str, period: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": CONTROL_PORT_NAME}, "periodSeconds": period, "timeoutSeconds": 3}
