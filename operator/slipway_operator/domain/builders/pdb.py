"""The PodDisruptionBudget of a model that may have more than one replica: node drains take one replica at a time."""

from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import selector_labels
from slipway_operator.domain.builders.common import manifest, most_replicas
from slipway_operator.domain.resources import PDB, Manifest


def pod_disruption_budget(model: ModelDeployment) -> Manifest | None:
    """None for a model that never has more than one. Of a single replica, this budget lets that one go."""
    if model.spec.lifecycle.suspend or most_replicas(model) < 2:
        return None
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector_labels(model.metadata.name)},
        # A replica that never became ready serves nobody and must not block a drain.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return manifest(model, PDB, spec=spec)
