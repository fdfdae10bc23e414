"""The PodDisruptionBudget of a model with more than one replica: node drains take one replica at a time."""

from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import selector_labels
from slipway_operator.domain.builders.common import fewest_replicas, manifest
from slipway_operator.domain.resources import PDB, Manifest


def pod_disruption_budget(model: ModelDeployment) -> Manifest | None:
    """None for a single replica, where a budget would only block node drains."""
    if model.spec.lifecycle.suspend or fewest_replicas(model) < 2:
        return None
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector_labels(model.metadata.name)},
        # A replica that never became ready serves nobody and must not block a drain.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return manifest(model, PDB, spec=spec)
