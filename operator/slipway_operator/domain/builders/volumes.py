"""Volumes of a model's pods, and where the container mounts them."""

import re
from typing import Any, Final

from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import PVC_MOUNT_ROOT
from slipway_crds.runtime_env import RuntimeEnv
from slipway_operator.domain.builders.common import cache_claim

CACHE_DIR: Final = str(RuntimeEnv.model_fields["cache_dir"].default)
_PVC_SOURCE: Final = re.compile(r"^pvc://([^/]+)")
_SHARED_MEMORY_ENGINES: Final = frozenset({EngineType.VLLM})
"""Engines whose worker processes exchange tensors through /dev/shm, which is 64 MiB by default."""


def pod_volumes(model: ModelDeployment) -> list[dict[str, Any]]:
    """Cache, scratch space, the source's claim, shared memory, and the volumes of the overlay."""
    cache = model.spec.cache
    claim = {"persistentVolumeClaim": {"claimName": cache_claim(model, cache)}} if cache else {"emptyDir": {}}
    volumes: list[dict[str, Any]] = [{"name": "cache", **claim}, {"name": "tmp", "emptyDir": {}}]
    source = source_claim(model)
    if source is not None:
        volumes.append({"name": "source", "persistentVolumeClaim": {"claimName": source, "readOnly": True}})
    if model.spec.engine.type in _SHARED_MEMORY_ENGINES:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory"}})
    overlay = model.spec.template
    return [*volumes, *((overlay and overlay.volumes) or ())]


def volume_mounts(model: ModelDeployment) -> list[dict[str, Any]]:
    """Where the container finds the volumes of `pod_volumes`."""
    mounts: list[dict[str, Any]] = [
        {"name": "cache", "mountPath": CACHE_DIR},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    source = source_claim(model)
    if source is not None:
        mounts.append({"name": "source", "mountPath": f"{PVC_MOUNT_ROOT}/{source}", "readOnly": True})
    if model.spec.engine.type in _SHARED_MEMORY_ENGINES:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})
    overlay = model.spec.template
    return [*mounts, *((overlay and overlay.volume_mounts) or ())]


def source_claim(model: ModelDeployment) -> str | None:
    """The claim of a ``pvc://CLAIM/PATH`` source."""
    match = _PVC_SOURCE.match(model.spec.model.source)
    return match[1] if match else None
