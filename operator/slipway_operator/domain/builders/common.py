"""What the manifests of all children share."""

from typing import Any, Final

from slipway_crds.base import CustomResource
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import LABEL_ENGINE, LABEL_MANAGED_BY, MANAGED_BY, child_name, selector_labels
from slipway_crds.workload_spec import Cache
from slipway_operator.domain.resources import Manifest, Resource

DEFAULT_REPLICAS: Final = 1


def owner_reference(owner: CustomResource) -> dict[str, Any]:
    """The reference by which the garbage collector deletes a child with its owner."""
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def labels(model: ModelDeployment) -> dict[str, str]:
    """Labels of every child and pod."""
    return {
        **selector_labels(model.metadata.name),
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_ENGINE: model.spec.engine.type.value,
    }


def manifest(model: ModelDeployment, resource: Resource, name: str | None = None, **fields: Any) -> Manifest:
    """A child of ``model`` with the name of the model unless another is given."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": name or child_name(model.metadata.name),
            "namespace": model.metadata.namespace,
            "labels": labels(model),
            "ownerReferences": [owner_reference(model)],
        },
        **fields,
    }


def most_replicas(model: ModelDeployment) -> int:
    """The most replicas that may run."""
    scaling = model.spec.autoscaling
    return scaling.max_replicas if scaling else fixed_replicas(model)


def fewest_replicas(model: ModelDeployment) -> int:
    """The fewest replicas that run while the model is awake and not suspended."""
    scaling = model.spec.autoscaling
    return max(scaling.min_replicas, 1) if scaling else fixed_replicas(model)


def fixed_replicas(model: ModelDeployment) -> int:
    """``spec.replicas`` or its default."""
    return DEFAULT_REPLICAS if model.spec.replicas is None else model.spec.replicas


def cache_claim(model: ModelDeployment, cache: Cache) -> str:
    """Name of the claim that holds the weights."""
    return cache.existing_claim or child_name(model.metadata.name, "-cache")
