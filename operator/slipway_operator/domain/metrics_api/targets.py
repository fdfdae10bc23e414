"""Which pods are asked: those of models that an autoscaler follows by one of our metrics."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from slipway_crds.names import child_name
from slipway_operator.domain.metrics_api.readings import Target
from slipway_operator.domain.metrics_api.table import BY_NAME


def followed_models(autoscalers: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Values of the pods' model label by namespace, of HorizontalPodAutoscalers (autoscaling/v2) of whomever."""
    found: dict[str, set[str]] = {}
    for autoscaler in autoscalers:
        spec = autoscaler.get("spec") or {}
        for metric in spec.get("metrics") or ():
            names = _names(metric, spec.get("scaleTargetRef") or {})
            found.setdefault(autoscaler["metadata"]["namespace"], set()).update(names)
    return {namespace: names for namespace, names in found.items() if names}


def target_of(pod: Mapping[str, Any]) -> Target | None:
    """A pod as a target; None for one that is not ready or about to go."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    if "deletionTimestamp" in metadata or conditions.get("Ready") != "True" or not status.get("podIP"):
        return None
    labels = dict(metadata.get("labels") or {})
    return Target(metadata["namespace"], metadata["name"], metadata["uid"], status["podIP"], labels)


def _names(metric: Mapping[str, Any], scaled: Mapping[str, Any]) -> Iterator[str]:
    if _is_ours(metric.get("pods")) and scaled.get("kind") == "Deployment":
        yield str(scaled["name"])
    if _is_ours(metric.get("object")):
        name = str(metric["object"]["describedObject"]["name"])
        # A Service and a Deployment have the name that pods are labelled with, a ModelDeployment may have a longer one.
        yield child_name(name)


def _is_ours(source: Any) -> bool:
    return source is not None and source["metric"]["name"] in BY_NAME
