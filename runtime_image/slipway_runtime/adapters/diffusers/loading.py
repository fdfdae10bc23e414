"""From a folder to a diffusers pipeline on its device."""

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from slipway_crds.conditions import Reason
from slipway_runtime.domain.failure import RuntimeFailure
from slipway_runtime.domain.images_options import DiffusersOptions

_EXCERPT = 500
_NO_MEMORY = ("DefaultCPUAllocator", "CUDA out of memory", "Cannot allocate memory")


def choose_device(gpu_count: int) -> tuple[str, str | None]:
    """``cuda`` or ``cpu``, and why it is the CPU although GPUs were given."""
    if not gpu_count:
        return "cpu", None
    if torch.cuda.is_available():
        return "cuda", None
    build = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built without CUDA"
    given = "a GPU was" if gpu_count == 1 else f"{gpu_count} GPUs were"
    return "cpu", f"{given} given, but PyTorch {torch.__version__} finds none; it {build}"


def load_pipeline(folder: Path, options: DiffusersOptions, device: str, gpu_count: int) -> Any:
    """The pipeline in ``folder``, which has been checked. Raises RuntimeFailure (WeightsInvalid, OutOfMemory)."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    spread = {"device_map": "balanced"} if device == "cuda" and gpu_count > 1 else {}
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            str(folder),
            local_files_only=True,
            # None takes safetensors where there are some.
            use_safetensors=None if options.allow_pickle else True,
            variant=options.variant,
            dtype=_dtype(options, device),
            **spread,
        )
        if not spread:
            pipeline.to(device)
    except Exception as error:
        raise load_failure(error) from error
    pipeline.set_progress_bar_config(disable=True)
    if hasattr(getattr(pipeline, "vae", None), "enable_slicing"):
        # Pictures are decoded one by one: less memory, and a picture's bytes do not depend on its neighbours.
        pipeline.vae.enable_slicing()
    return pipeline


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is PyTorch's or Python's way to say that memory did not suffice."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _dtype(options: DiffusersOptions, device: str) -> torch.dtype:
    if options.dtype:
        return getattr(torch, options.dtype)  # the option's values are names of types
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def load_failure(error: Exception) -> RuntimeFailure:
    """What to tell of an ``error`` while loading: OutOfMemory or WeightsInvalid."""
    words = " ".join(str(error).split())[:_EXCERPT]
    if is_out_of_memory(error):
        message = f"the model does not fit into memory while loading: {words}; give it more, or a smaller --dtype"
        return RuntimeFailure(Reason.OUT_OF_MEMORY, message)
    return RuntimeFailure(Reason.WEIGHTS_INVALID, f"the pipeline cannot be loaded ({type(error).__name__}): {words}")
