"""Volumes of a model's pods, and where the container mounts them."""

import re
from collections.abc import Iterable
from typing import Any, Final

from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from slipway_crds.names import PVC_MOUNT_ROOT
from slipway_crds.runtime_env import RuntimeEnv
from slipway_operator.domain.builders.common import cache_claim
from slipway_operator.domain.images import gpu_count

CACHE_DIR: Final = str(RuntimeEnv.model_fields["cache_dir"].default)
_PVC_SOURCE: Final = re.compile(r"^pvc://([^/]+)")
_SHARED_MEMORY_ENGINES: Final = frozenset({EngineType.VLLM})
"""Engines whose worker processes exchange tensors through /dev/shm, which is 64 MiB by default."""
_SHARED_GIB_PER_WORKER: Final = 2
"""What is written there counts as memory of the container, so it has a bound of its own: tensor parallel runs one
worker for each GPU, and NCCL and vLLM's message queues need some hundred MiB for each."""


def pod_volumes(model: ModelDeployment) -> list[dict[str, Any]]:
    """Cache, scratch space, the claims of sources, shared memory, and the volumes of the overlay."""
    cache = model.spec.cache
    claim = {"persistentVolumeClaim": {"claimName": cache_claim(model, cache)}} if cache else {"emptyDir": {}}
    volumes: list[dict[str, Any]] = [{"name": "cache", **claim}, {"name": "tmp", "emptyDir": {}}]
    for name, claim_name in _source_claims(model):
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim_name, "readOnly": True}})
    if model.spec.engine.type in _SHARED_MEMORY_ENGINES:
        size = f"{_SHARED_GIB_PER_WORKER * max(gpu_count(model), 1)}Gi"
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}})
    overlay = model.spec.template
    return [*volumes, *((overlay and overlay.volumes) or ())]


def volume_mounts(model: ModelDeployment) -> list[dict[str, Any]]:
    """Where the container finds the volumes of `pod_volumes`."""
    mounts: list[dict[str, Any]] = [
        {"name": "cache", "mountPath": CACHE_DIR},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    for name, claim_name in _source_claims(model):
        mounts.append({"name": name, "mountPath": f"{PVC_MOUNT_ROOT}/{claim_name}", "readOnly": True})
    if model.spec.engine.type in _SHARED_MEMORY_ENGINES:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})
    overlay = model.spec.template
    return [*mounts, *((overlay and overlay.volume_mounts) or ())]


def _source_claims(model: ModelDeployment) -> list[tuple[str, str]]:
    """The claims of ``pvc://CLAIM/PATH`` sources, of the model and its adapters, each once with its volume's name."""
    weights = _claims([model.spec.model.source])
    adapters = _claims(adapter.source for adapter in model.spec.adapters or ())
    others = [claim for claim in adapters if claim not in weights]
    return [*(("source", claim) for claim in weights), *((f"adapter-{i}", claim) for i, claim in enumerate(others))]


def _claims(sources: Iterable[str]) -> list[str]:
    """Each claim once, in the order of ``sources``."""
    matches = (_PVC_SOURCE.match(source) for source in sources)
    return list(dict.fromkeys(match[1] for match in matches if match is not None))
