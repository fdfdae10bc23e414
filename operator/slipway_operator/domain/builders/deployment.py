"""The Deployment of a model."""

import math
from collections.abc import Mapping
from typing import Any, Final

from slipway_crds.duration import parse_duration
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import RUNTIME_UID, child_name, selector_labels
from slipway_operator.domain.builders.common import fewest_replicas, fixed_replicas, labels, manifest
from slipway_operator.domain.builders.container import PRE_STOP_SECONDS, model_container
from slipway_operator.domain.builders.hpa import supported_metrics
from slipway_operator.domain.builders.volumes import pod_volumes
from slipway_operator.domain.resources import DEPLOYMENT, Manifest

_SHUTDOWN_MARGIN_SECONDS: Final = 15
_SCHEDULE_AND_PULL_SECONDS: Final = 1800


def deployment(
    model: ModelDeployment,
    image: str,
    pod_metrics: bool,
    strategy: Mapping[str, Any],
    *,
    awake: bool = True,
    otlp_endpoint: str = "",
) -> Manifest:
    """Without ``spec.replicas`` while an autoscaler owns that field; ``pod_metrics`` as `supported_metrics` has it."""
    startup = math.ceil(parse_duration(model.spec.lifecycle.startup_timeout))
    spec: dict[str, Any] = {
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": startup + _SCHEDULE_AND_PULL_SECONDS,
        "strategy": dict(strategy),
        "selector": {"matchLabels": selector_labels(model.metadata.name)},
        "template": _pod_template(model, image, otlp_endpoint),
    }
    replicas = applied_replicas(model, pod_metrics, awake=awake)
    if replicas is not None:
        spec["replicas"] = replicas
    return manifest(model, DEPLOYMENT, spec=spec)


def applied_replicas(model: ModelDeployment, pod_metrics: bool, *, awake: bool = True) -> int | None:
    """The number to apply; None when the autoscaler decides, which leaves a Deployment without replicas alone."""
    if model.spec.lifecycle.suspend or not awake:
        return 0
    if model.spec.autoscaling is None:
        return fixed_replicas(model)
    return None if supported_metrics(model, pod_metrics) else fewest_replicas(model)


def replicas_handover(model: ModelDeployment, live_replicas: int) -> Manifest:
    """What a second field manager applies before the operator lets go of ``spec.replicas``.

    A field that its last owner leaves out of an apply is reset to its default: without this, switching a model from a
    fixed number to autoscaling would scale it down to one.
    """
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {"name": child_name(model.metadata.name), "namespace": model.metadata.namespace},
        "spec": {"replicas": max(live_replicas, fewest_replicas(model))},
    }


def _pod_template(model: ModelDeployment, image: str, otlp_endpoint: str) -> dict[str, Any]:
    overlay = model.spec.template
    metadata: dict[str, Any] = {"labels": {**((overlay and overlay.labels) or {}), **labels(model)}}
    if overlay and overlay.annotations:
        metadata["annotations"] = overlay.annotations
    return {"metadata": metadata, "spec": _pod_spec(model, image, otlp_endpoint)}


def _pod_spec(model: ModelDeployment, image: str, otlp_endpoint: str) -> dict[str, Any]:
    drain = math.ceil(parse_duration(model.spec.lifecycle.drain_timeout))
    overlay = model.spec.template
    spec: dict[str, Any] = {
        "serviceAccountName": (overlay and overlay.service_account_name) or child_name(model.metadata.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": PRE_STOP_SECONDS + drain + _SHUTDOWN_MARGIN_SECONDS,
        "securityContext": {**_pod_security(), **((overlay and overlay.security_context) or {})},
        "containers": [model_container(model, image, otlp_endpoint)],
        "volumes": pod_volumes(model),
    }
    return {**spec, **_passed_on(model)}


def _passed_on(model: ModelDeployment) -> dict[str, Any]:
    """Fields of the overlay that go into the pod's spec as they are."""
    overlay = model.spec.template
    if overlay is None:
        return {}
    fields: dict[str, Any] = {
        "nodeSelector": overlay.node_selector,
        "tolerations": overlay.tolerations and list(overlay.tolerations),
        "affinity": overlay.affinity,
        "topologySpreadConstraints": overlay.topology_spread_constraints and list(overlay.topology_spread_constraints),
        "runtimeClassName": overlay.runtime_class_name,
        "priorityClassName": overlay.priority_class_name,
        "schedulerName": overlay.scheduler_name,
        "imagePullSecrets": [{"name": name} for name in overlay.image_pull_secrets or ()],
    }
    return {name: value for name, value in fields.items() if value}


def _pod_security() -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": RUNTIME_UID,
        "runAsGroup": RUNTIME_UID,
        "fsGroup": RUNTIME_UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
