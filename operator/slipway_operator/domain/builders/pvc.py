"""The claim for a model's weights."""

from collections.abc import Mapping
from typing import Any

from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.builders.common import cache_claim, manifest, most_replicas
from slipway_operator.domain.drift import parse_quantity
from slipway_operator.domain.resources import PVC, Manifest


def cache_pvc(model: ModelDeployment, live: Mapping[str, Any] | None) -> Manifest | None:
    """None without a cache, or when the user brings the claim.

    ``live`` is the claim as it exists, where a claim cannot follow the spec: access modes are immutable, so a default
    that would now come out otherwise, because the number of replicas changed, stays what it was; and claims never
    shrink, so one that somebody enlarged stays large.
    """
    cache = model.spec.cache
    if cache is None or cache.size is None:
        return None
    modes = list(cache.access_modes or ())
    if not modes and live is not None:
        modes = live["spec"]["accessModes"]
    if not modes:
        modes = ["ReadWriteMany" if most_replicas(model) > 1 else "ReadWriteOnce"]
    size = _larger(cache.size, live["spec"]["resources"]["requests"]["storage"]) if live is not None else cache.size
    spec: dict[str, Any] = {"accessModes": modes, "resources": {"requests": {"storage": str(size)}}}
    if cache.storage_class_name is not None:
        spec["storageClassName"] = cache.storage_class_name
    return manifest(model, PVC, cache_claim(model, cache), spec=spec)


def _larger(wanted: str | int, live: str) -> str | int:
    wanted_bytes, live_bytes = parse_quantity(wanted), parse_quantity(live)
    return live if wanted_bytes is not None and live_bytes is not None and live_bytes > wanted_bytes else wanted
