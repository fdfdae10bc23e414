"""Which image runs a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from slipway_crds.conditions import Reason
from slipway_crds.engines import EngineType
from slipway_crds.model_deployment import ModelDeployment
from slipway_operator.domain.pods import Diagnosis


@dataclass(frozen=True, slots=True)
class EngineImage:
    """The images that an installation has for one engine."""

    cpu: str | None = None
    """For models that ask for no GPU."""
    gpu: str | None = None
    """For models that ask for GPUs. None: the same as without."""

    def choose(self, gpus: int) -> str | None:
        """The image for a replica with so many GPUs, if there is one."""
        return (self.gpu or self.cpu) if gpus > 0 else self.cpu


def gpu_count(model: ModelDeployment) -> int:
    """GPUs of each replica."""
    gpu = model.spec.resources.gpu if model.spec.resources else None
    return gpu.count if gpu else 0


def image_of(model: ModelDeployment, images: Mapping[EngineType, EngineImage]) -> str | Diagnosis:
    """The image of the model's pods, or why there is none."""
    engine = model.spec.engine
    if engine.image is not None:
        return engine.image
    known = images.get(engine.type)
    image = known.choose(gpu_count(model)) if known else None
    if image is not None:
        return image
    if known is not None:
        message = (
            f"this installation has an image for engine {engine.type} with GPUs only; "
            "set spec.resources.gpu, or spec.engine.image"
        )
    else:
        listed = ", ".join(sorted(images)) or "none"
        message = f"this installation has no image for engine {engine.type} (it has: {listed}); set spec.engine.image"
    return Diagnosis(Reason.ENGINE_NOT_AVAILABLE, message)
