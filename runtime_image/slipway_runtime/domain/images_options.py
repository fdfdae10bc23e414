"""Arguments of the diffusers engine."""

from typing import Annotated, Literal

from pydantic import Field

from slipway_runtime.domain.arguments import EngineOptions

Pixels = Annotated[int, Field(ge=16, le=16_384)]


class DiffusersOptions(EngineOptions):
    """Arguments of the diffusers engine."""

    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """Type of the weights in memory. Default: bfloat16 on a GPU that has it, else float16; float32 on the CPU."""
    variant: str | None = None
    """Variant of the weights' files, such as `fp16` for `diffusion_pytorch_model.fp16.safetensors`."""
    allow_pickle: bool = False
    """Load weights in Python's pickle format (`.bin`), which can carry code, where there are no safetensors."""
    size: Annotated[str, Field(pattern=r"^[0-9]{2,5}x[0-9]{2,5}$")] | None = None
    """Size of a picture whose request names none, `WIDTHxHEIGHT` in pixels. Default: the model's own."""
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Denoising steps of a request that names none. Default: the pipeline's; distilled models want 1 to 8."""
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    """Guidance of a request that names none. Default: the pipeline's; distilled models want 0."""
    max_images: Annotated[int, Field(ge=1, le=64)] = 4
    """Most pictures of one request."""
    max_size: Pixels | None = None
    """Longest side of a picture, in pixels. Default: twice the longest side of the default size."""
    max_steps: Annotated[int, Field(ge=1, le=1000)] = 100
    """Most denoising steps of one request."""
    max_batch: Annotated[int, Field(ge=1, le=64)] = 4
    """Most pictures in one run of the pipeline."""
    batching: Literal["exact", "always", "never"] = "exact"
    """Whether pictures that wait together run together: `exact` where a run of many was seen to give the same bytes as
    runs of one, `always` even where a seed's picture may then differ in its last bits, or `never`."""
    max_queue: Annotated[int, Field(ge=0, le=1000)] = 16
    """Most requests that wait beyond those being worked on; beyond it callers get a 429."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Threads for one run on the CPU. Default: the CPUs this container may use."""
